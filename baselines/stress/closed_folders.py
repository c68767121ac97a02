"""Folders that cannot be written, and folders that somebody else holds."""

from __future__ import annotations

import hashlib
import random
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from credit_gym.baselines.stress.jobs import (
    RUNS,
    check_finished,
    check_kept,
    check_resumed,
    recorded,
    run_job,
    undisturbed,
)
from credit_gym.baselines.stress.launching import call, launch, wait_a_moment
from credit_gym.baselines.stress.private_mounts import make_read_only
from credit_gym.baselines.stress.trial import Outcome, expect


def read_only(rng: random.Random, folder: Path) -> Outcome:
    """Read a run, finished or killed, where nobody can write: it is read as elsewhere, and nothing in it changes."""
    job = run_job(rng, 100)
    expected = undisturbed(job, folder)
    if rng.random() < 0.5:
        launched = launch(folder, *job.begin(folder))
        launched.first_line()
        wait_a_moment(rng, launched, expected.seconds)
        launched.killed()
    else:
        shutil.copytree(expected.folder.parent, folder / RUNS)
    before, files = recorded(folder / RUNS / expected.name), _hashes(folder / RUNS)
    make_read_only(folder / RUNS)
    call(folder, "runs")
    name = expected.name
    if before:
        call(folder, "score", name, "--scorer", "outcome_only")
        call(folder, "targets", name, "--scorer", "outcome_only", "--to", "jsonl", "--out", str(folder / "t.jsonl"))
        call(folder, "report", name, "--out", str(folder / "page.html"))
    call(folder, *job.again(name), codes=(2,))
    call(folder, *job.begin(folder), codes=(2,))
    texts = [{key: text for key, (_, text) in found.items()} for found in (before, recorded(folder / RUNS / name))]
    expect(texts[0] == texts[1], "lost", "other episodes are read where nobody can write")
    expect(_hashes(folder / RUNS) == files, "partial", "a file in a read-only folder changed")
    return Outcome(f"{len(before)} episodes read")


def held_by_another(rng: random.Random, folder: Path) -> Outcome:
    """Take up a run that is being played: refused in a sentence, and the player plays on."""
    job = run_job(rng)
    expected = undisturbed(job, folder)
    player = launch(folder, *job.begin(folder))
    name = player.first_line()
    wait_a_moment(rng, player, expected.seconds / 2)
    others = [launch(folder, *job.again(name)) for _ in range(2)]
    refused = 0
    for other in others:
        ended = other.ended()
        expect("Traceback" not in ended.err and ended.code in (0, 2), "wrong", ended.said)
        refused += ended.code == 2
    ended = player.ended()
    expect(ended.code == 0, "wrong", ended.said)
    check_finished({}, recorded(folder / RUNS / name), expected.records)
    return Outcome(f"{refused} of 2 refused")


def held_database(rng: random.Random, folder: Path) -> Outcome:
    """Hold the database itself for a while: the player waits, and plays on to the same end."""
    job = run_job(rng, 100)
    expected = undisturbed(job, folder)
    player = launch(folder, *job.begin(folder))
    name = player.first_line()
    wait_a_moment(rng, player, expected.seconds / 2)
    with closing(sqlite3.connect(folder / RUNS / name / "store.sqlite", timeout=30, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        time.sleep(rng.uniform(0.5, 3.0))
        before = recorded(folder / RUNS / name)
        holder.execute("ROLLBACK")
    ended = player.ended()
    expect(ended.code == 0, "wrong", ended.said)
    after = recorded(folder / RUNS / name)
    check_kept(before, after, expected.records)
    check_resumed(job, folder, name, after, expected)
    return Outcome(f"held with {len(before)} of {len(expected.records)}")


def _hashes(folder: Path) -> dict[str, str]:
    """Of all files but SQLite's shared memory, which readers make where they can."""
    files = (file for file in folder.rglob("*") if file.is_file() and not file.name.endswith("-shm"))
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
