"""Stores that were cut short, had bytes flipped or a cell damaged: said in a sentence, and no other run suffers."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from credit_gym.baselines.stress.jobs import RUNS, Job, run_job, undisturbed
from credit_gym.baselines.stress.launching import call
from credit_gym.baselines.stress.trial import Outcome, expect

_NEIGHBOUR = Job(("run", "--env", "credit/Diagnostic-v0", "--episodes", "5", "--seed", "9"), {}, ())


def damage(do: Callable[[random.Random, Path], str], rng: random.Random, folder: Path) -> Outcome:
    """Damage one of two runs, and do with both what one does with runs."""
    job = run_job(rng, 60)
    expected = undisturbed(job, folder)
    name = expected.name
    other = undisturbed(_NEIGHBOUR, folder)
    damaged, sound = folder / "damaged", folder / RUNS
    for runs in (damaged, sound):
        shutil.copytree(expected.folder, runs / name)
    shutil.copytree(other.folder, damaged / other.name)
    what = do(rng, damaged / name)
    listed = call(folder, "runs", "--runs-dir", str(damaged), "--to", "markdown")
    expect(other.name in listed.out, "lost", f"the sound run is not listed: {listed.said}")
    said = []
    for command in rng.sample(sorted(_COMMANDS), 2):
        arguments, compared = _COMMANDS[command]
        ended = call(folder, *_filled(arguments, name, damaged, folder), codes=(0, 1, 2))
        said.append(ended.code)
        if compared and ended.code == 0:
            call(folder, *_filled(arguments, name, sound, folder / "sound"))
            same = (folder / compared).read_bytes() == (folder / "sound" / compared).read_bytes()
            expect(same, "lost", f"{what}: {command} gave other episodes without a word")
    return Outcome(f"{what}: codes {said}")


_COMMANDS: dict[str, tuple[tuple[str, ...], str]] = {
    "targets": (
        ("targets", "NAME", "--scorer", "mc", "--to", "jsonl", "--out", "FOLDER/t.jsonl", "--runs-dir", "RUNS"),
        "t.jsonl",
    ),
    "report": (("report", "NAME", "--out", "FOLDER/page.html", "--runs-dir", "RUNS"), ""),
    "score": (("score", "NAME", "--scorer", "grpo", "--runs-dir", "RUNS"), ""),
    "resume": (("run", "--resume", "NAME", "--out", "RUNS"), ""),
    "advise": (("advise", "NAME", "--runs-dir", "RUNS"), ""),
}
"""Command -> its arguments, and the file that is to be the same where it exits with 0."""


def _filled(arguments: tuple[str, ...], name: str, runs: Path, folder: Path) -> list[str]:
    folder.mkdir(exist_ok=True)
    fill = {"NAME": name, "RUNS": str(runs)}
    return [fill.get(argument, argument).replace("FOLDER", str(folder)) for argument in arguments]


def truncate(rng: random.Random, run: Path) -> str:
    """Cut the database off."""
    file = _file(rng, run)
    size = file.stat().st_size
    kept = rng.choice((0, rng.randrange(100), rng.randrange(size), size - rng.randrange(1, 4097)))
    with file.open("r+b") as opened:
        opened.truncate(max(kept, 0))
    return f"{file.name} cut to {max(kept, 0)} of {size} bytes"


def flip(rng: random.Random, run: Path) -> str:
    """Flip bits of some bytes, scattered or in a block."""
    file = _file(rng, run)
    data = bytearray(file.read_bytes())
    if rng.random() < 0.5:
        places = [rng.randrange(len(data)) for _ in range(rng.choice((1, 8, 64)))]
    else:
        first = rng.randrange(len(data))
        places = list(range(first, min(first + rng.choice((16, 512, 4096)), len(data))))
    for place in places:
        data[place] ^= rng.randrange(1, 256)
    file.write_bytes(data)
    return f"{len(places)} bytes of {file.name} flipped"


def damage_cell(rng: random.Random, run: Path) -> str:
    """Put into a cell what no cell of its kind holds."""
    with closing(sqlite3.connect(run / "store.sqlite", isolation_level=None)) as database:
        database.execute("PRAGMA foreign_keys = OFF")
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        counts = {name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for (name,) in tables}
        table = rng.choice([name for name, count in counts.items() if count])
        columns = database.execute(f"PRAGMA table_info({table})").fetchall()
        keys = [row[1] for row in columns if row[5]]
        row = database.execute(
            f"SELECT {', '.join(keys)} FROM {table} ORDER BY {', '.join(keys)} LIMIT 1 OFFSET ?",
            (rng.randrange(counts[table]),),
        ).fetchone()
        column, value = rng.choice(columns)[1], rng.choice(_STRANGE)
        where = " AND ".join(f"{key} = ?" for key in keys)
        try:
            database.execute(f'UPDATE OR IGNORE {table} SET "{column}" = ? WHERE {where}', (value, *row))
        except sqlite3.Error:
            return f"{table}.{column} would not take it"
    return f"{table}.{column} is {repr(value)[:40]}"


_STRANGE = (
    "", "{", "[" * 5000, '{"a": NaN}', "null", "[1, 2", '"', "9" * 6000, b"\x00\xff" * 16, b"", 2**62, -1, 1e308,
    '{"episodes": "many", "group_size": -1}', "[]", "x" * 3000, "\ud7ff",
)  # fmt: skip


def _file(rng: random.Random, run: Path) -> Path:
    """The database, or now and then one of the long values beside it."""
    blobs = sorted(file for file in (run / "blobs").rglob("*") if file.is_file())
    return rng.choice(blobs) if blobs and rng.random() < 0.2 else run / "store.sqlite"
