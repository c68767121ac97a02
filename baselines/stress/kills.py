"""kill -9 in the middle: what was recorded before is there after, and what is missing alone is played again."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path

from credit_gym.baselines.stress.jobs import (
    RUNS,
    Job,
    Records,
    check_kept,
    check_resumed,
    recorded,
    run_job,
    undisturbed,
    wait_for_records,
)
from credit_gym.baselines.stress.launching import Launched, launch, wait_a_moment
from credit_gym.baselines.stress.trial import Outcome, expect
from credit_gym.store import Store

_WRITER = "credit_gym.baselines.stress.store_writer"


def kill_job(make_job: Callable[[random.Random], Job], rng: random.Random, folder: Path) -> Outcome:
    """Kill a command once or twice at drawn moments, and take it up again."""
    job = make_job(rng)
    expected = undisturbed(job, folder)
    kept: Records = {}
    name, counts = "", list[int]()
    for _ in range(rng.choice((1, 1, 2))):
        launched = launch(folder, *(job.again(name) if name else job.begin(folder)))
        name = launched.first_line() or name if not job.whole else expected.name
        if job.whole:
            wait_a_moment(rng, launched, expected.seconds)
        else:
            wait_for_records(rng, folder / RUNS / name, launched, len(expected.records))
        before = recorded(folder / RUNS / name)
        launched.killed()
        after = recorded(folder / RUNS / name)
        check_kept({**kept, **before}, after, expected.records)
        if job.whole:
            expect(len(after) in (0, len(expected.records)), "partial", f"{len(after)} of {len(expected.records)}")
            return _after_import(job, folder, name, len(after))
        kept, counts = after, [*counts, len(after)]
    check_resumed(job, folder, name, kept, expected)
    return Outcome(f"killed after {', '.join(map(str, counts))} of {len(expected.records)}")


def _after_import(job: Job, folder: Path, name: str, count: int) -> Outcome:
    """A part of an import must be refused, and a second import be whole."""
    if count == 0 and (folder / RUNS / name / "store.sqlite").exists():
        for command in ("score", "report"):
            ended = launch(folder, command, name).ended()
            expect(ended.code == 2 and "Traceback" not in ended.err, "partial", f"{command} took it: {ended.said}")
    check_resumed(job, folder, name, {}, undisturbed(job, folder))
    return Outcome(f"killed with {count} imported")


def kill_parallel_runs(rng: random.Random, folder: Path) -> Outcome:
    """Kill some of several equal commands that share a folder of runs; the others end as if alone."""
    job = run_job(rng, 200)
    expected = undisturbed(job, folder)
    together = [launch(folder, *job.begin(folder)) for _ in range(3)]
    names = [launched.first_line() for launched in together]
    expect(len(set(names)) == 3 and all(names), "partial", f"three runs got the ids {names}")
    for launched, name in list(zip(together, names, strict=True))[: rng.choice((1, 2, 3))]:
        wait_for_records(rng, folder / RUNS / name, launched, len(expected.records))
        launched.killed()
    for launched, name in zip(together, names, strict=True):
        launched.ended()
        after = recorded(folder / RUNS / name)
        check_kept({}, after, expected.records)
        check_resumed(job, folder, name, after, expected)
    return Outcome("three runs at once")


def kill_parallel_writers(rng: random.Random, folder: Path) -> Outcome:
    """Kill several processes that write to one store: all that each said was committed is there, one more at most."""
    store = folder / "shared"
    writers = [Launched(folder, sys.executable, "-m", _WRITER, str(store), str(number)) for number in range(3)]
    for writer in writers:
        writer.first_line()
    for writer in writers[: rng.choice((1, 2, 3))]:
        wait_a_moment(rng, writer, 0.5)
        writer.killed()
    for writer in writers:
        wait_a_moment(rng, writer, 0.3)
        writer.killed()
    counts = []
    with Store.open(store, create=False) as opened:
        for number, writer in enumerate(writers):
            run_id, *said = writer.lines()
            episodes = opened.load_episodes(run_id)
            ids = [episode.episode_id for episode in episodes]
            expect(set(said) <= set(ids), "lost", f"writer {number} had committed {len(said)}, {len(ids)} are there")
            expect(len(ids) <= len(said) + 1, "partial", f"{len(ids)} are there, {len(said)} were committed")
            expect([repr(e) for e in episodes] == _written(number, len(ids)), "partial", "an episode is another one")
            counts.append(len(ids))
    return Outcome(f"writers killed after {counts}")


def _written(number: int, count: int) -> list[str]:
    from credit_gym.baselines.stress.store_writer import episode_of

    return [repr(episode_of(number, place)) for place in range(count)]
