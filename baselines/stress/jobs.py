"""Commands that record something and can be taken up again, and what each has recorded: the ground of most trials."""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from credit_gym.baselines.stress.launching import Launched, call, check_said, launch, wait_a_moment
from credit_gym.baselines.stress.trial import Found, expect
from credit_gym.errors import CreditGymError
from credit_gym.store import Store

RUNS = "runs"
_COUNT = "SELECT (SELECT count(*) FROM episodes) + (SELECT count(*) FROM results)"
_GLANCE, _MOMENT = 0.005, 0.05  # seconds

Records = Mapping[str, tuple[int, str]]
"""Name -> (the row that keeps it, all that is kept of it as a text)."""


@dataclass(frozen=True)
class Job:
    """A command with which something is recorded.

    Attributes:
        arguments: of the command, without ``--out``.
        files: contents of files that it reads, by name, in its working directory.
        resumed: the command and the option that take it up again; empty where it has to be begun anew.
        whole: whether its records come all at once or not at all.
        several: whether it makes one run after another, so that between two of them none is under way.
    """

    arguments: tuple[str, ...]
    files: Mapping[str, str]
    resumed: tuple[str, ...]
    whole: bool = False
    several: bool = False

    def begin(self, folder: Path, runs: str = RUNS) -> tuple[str, ...]:
        """Lay its files into a folder; return the arguments that begin it there."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            (folder / name).write_text(content, encoding="utf-8")
        return (*self.arguments, "--out", runs)

    def again(self, name: str, runs: str = RUNS) -> tuple[str, ...]:
        """Return the arguments that take it up under the id that it was given, or begin it anew."""
        return (*self.resumed, name, "--out", runs) if self.resumed else (*self.arguments, "--out", runs)


@dataclass(frozen=True)
class Undisturbed:
    """A job that nobody disturbed.

    Attributes:
        name: the id that it printed.
        folder: of its store.
        records: what it recorded.
        seconds: how long it took after it printed its id; of an import, which prints that at its end, in all.
    """

    name: str
    folder: Path
    records: Records
    seconds: float


def undisturbed(job: Job, folder: Path) -> Undisturbed:
    """Return a job done in peace, beside the folder of a trial; the same one is done but once."""
    digest = hashlib.sha256(json.dumps([job.arguments, sorted(job.files.items())]).encode()).hexdigest()[:16]
    place = folder.parent / "undisturbed" / digest
    mark = place / "done.json"
    if not mark.exists():
        launched = launch(place, *job.begin(place))
        begun = time.monotonic()
        name = launched.first_line()
        if not job.whole:
            begun = time.monotonic()
        check_said(launched.ended(), (0,))
        mark.write_text(json.dumps([name, time.monotonic() - begun]), encoding="utf-8")
    name, seconds = json.loads(mark.read_text("utf-8"))
    return Undisturbed(name, place / RUNS / name, recorded(place / RUNS / name), seconds)


def recorded(folder: Path) -> Records:
    """Read all that a store has recorded; a store that is not there yet has nothing."""
    if not (folder / "store.sqlite").exists():
        return {}
    try:
        with Store.open(folder, create=False) as store:
            return _episodes(store) | _results(store)
    except CreditGymError as error:
        raise Found("lost", f"cannot be read: {error}") from error


def wait_for_records(rng: random.Random, folder: Path, launched: Launched, most: int) -> None:
    """Wait until a store holds a drawn number of records, and a moment more, or until the command ends."""
    wanted = rng.randrange(most)
    while _count(folder / "store.sqlite") < wanted and not launched.over:
        time.sleep(_GLANCE)
    wait_a_moment(rng, launched, _MOMENT)


def _count(file: Path) -> int:
    if not file.exists():
        return 0
    try:
        with closing(sqlite3.connect(file)) as database:
            (count,) = database.execute(_COUNT).fetchone()
    except sqlite3.Error:  # it is only being made
        return 0
    return int(count)


def check_kept(before: Records, after: Records, whole: Records) -> None:
    """Refuse a store that lost what it had, or has something that nobody who is undisturbed would record."""
    gone = sorted(before.keys() - after.keys())
    expect(not gone, "lost", f"gone: {', '.join(gone[:5])}")
    changed = [name for name in before if before[name] != after[name]]
    expect(not changed, "lost", f"changed: {', '.join(changed[:5])}")
    strange = [name for name in after if name not in whole or after[name][1] != whole[name][1]]
    expect(not strange, "partial", f"recorded otherwise than undisturbed: {', '.join(strange[:5])}")


def check_finished(before: Records, after: Records, whole: Records) -> None:
    """Refuse a job that was taken up and is not what it would have been undisturbed, or did work that was done."""
    check_kept(before, after, whole)
    missing = sorted(whole.keys() - after.keys())
    expect(not missing, "lost", f"not made up for: {', '.join(missing[:5])}")


def check_resumed(job: Job, folder: Path, name: str, kept: Records, expected: Undisturbed, runs: str = RUNS) -> Records:
    """Take a job up again and refuse all but what an undisturbed one has; return that."""
    again = call(folder, *job.again(name, runs)).out.split()[0]
    expect(bool(not job.resumed or again == name), "wrong", f"{name} was taken up as {again}")
    after = recorded(folder / runs / again)
    check_finished(kept if job.resumed else {}, after, expected.records)
    return after


def _episodes(store: Store) -> dict[str, tuple[int, str]]:
    loaded = {
        (record.run_id, episode.episode_id): (f"{record.env_id} {record.agent_id} {record.seed}", repr(episode))
        for record in store.runs()
        for episode in store.load_episodes(record.run_id)
    }
    keys = _keys(store.folder / "store.sqlite")
    return {f"{who}: {each[1]}": (keys.get(each, 0), text) for each, (who, text) in loaded.items()}


def _keys(file: Path) -> dict[tuple[str, str], int]:
    """The rows of episodes; none are told where SQLite cannot write beside the file."""
    try:
        with closing(sqlite3.connect(file)) as database:
            rows = database.execute("SELECT run_id, episode_id, key FROM episodes").fetchall()
    except sqlite3.OperationalError:
        return {}
    return {(run_id, episode_id): key for run_id, episode_id, key in rows}


def _results(store: Store) -> dict[str, tuple[int, str]]:
    """Results of sweeps; a benchmark's are times."""
    return {
        name: (0, json.dumps(value["metrics"]))
        for group in store.groups()
        for name, value in store.results(group.group_id).items()
        if "metrics" in value
    }


def run_job(rng: random.Random, episodes: int = 400) -> Job:
    """A run: of a controlled environment, a shop, a game of asking, a household or a team."""
    env, agent, share = rng.choice(_GAMES)
    workers = rng.choice((1, 1, 4))
    arguments = ("run", "--env", env, "--agent", agent, "--workers", str(workers), "--group-size", "2")
    count = str(2 * max(1, int(episodes * share / 2)))
    return Job((*arguments, "--episodes", count, "--seed", str(rng.randrange(2))), {}, ("run", "--resume"))


_GAMES = (
    ("credit/Stochastic-v0", "random", 1.0),
    ("credit/Diagnostic-v0", "noisy:0.5", 1.0),
    ("credit/WebShop-v0", "random", 0.4),
    ("credit/TwentyQuestions-v0", "random", 0.3),
    ("credit/ALFWorld-v0", "noisy:0.3", 0.3),
    ("credit/MultiAgentMath-v0", "expert", 0.3),
)
"""Environment, agent, and the share of the episodes that takes about as long as with the first."""


def bench_job(rng: random.Random) -> Job:
    """A benchmark of two agents on two environments."""
    who = ("--agent", "random", "--agent", "noisy:0.3", "--env", "credit/Stochastic-v0", "--env", "credit/WebShop-v0")
    begun = ("bench", *who, "--episodes", "60", "--seed", str(rng.randrange(2)))
    return Job(begun, {}, ("bench", "--resume"), several=True)


def sweep_job(rng: random.Random) -> Job:
    """A sweep of a few cells."""
    config = {
        "name": "stress",
        "environments": ["credit/Stochastic-v0"],
        "scorers": ["outcome_only", "grpo", "gigpo", "crbc"],
        "seeds": 6,
        "exploration": [rng.choice((0.3, 0.5))],
        "episodes_per_task": 64,
    }
    return Job(("sweep", "--config", "stress.yaml"), {"stress.yaml": json.dumps(config)}, ("sweep", "--resume"))


def import_job(rng: random.Random) -> Job:
    """An import of chats, long ones among them."""
    chats = range(300 + rng.randrange(2))
    lines = (json.dumps({"messages": _chat(number), "reward": number % 3 / 2}) for number in chats)
    return Job(("import", "chats.jsonl"), {"chats.jsonl": "\n".join(lines) + "\n"}, (), whole=True)


def _chat(number: int) -> list[dict[str, str]]:
    turns = range(2 + number % 7)
    said = [("user", f"question {number} {turn} " * (1 + 40 * (turn % 2))) for turn in turns]
    return [
        {"role": role, "content": content}
        for turn, asked in enumerate(said)
        for role, content in (asked, ("assistant", f"answer {turn} " * (1 + number % 90)))
    ]


JOBS: Mapping[str, Callable[[random.Random], Job]] = {
    "run": run_job,
    "bench": bench_job,
    "sweep": sweep_job,
    "import": import_job,
}
"""Commands that record something."""
