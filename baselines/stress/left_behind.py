"""Threads, processes, open files and temporary folders that playing leaves behind: none.

In a process of its own: ``python -m credit_gym.baselines.stress.left_behind SEED``.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import gymnasium as gym

from credit_gym.agents.rollout.runner import run_episodes
from credit_gym.agents.spec import parse_agent
from credit_gym.baselines.stress.descent import descendants
from credit_gym.baselines.stress.launching import Launched, check_said
from credit_gym.baselines.stress.trial import Outcome, expect
from credit_gym.registration import ENVIRONMENTS
from credit_gym.store import Store, keep
from credit_gym.wrappers import RecordVerifier

_ROUNDS = 4
_SETTLING = 5.0  # seconds that an ended process may take to go


def leave_nothing(rng: random.Random, folder: Path) -> Outcome:
    """Play rounds in one process, with threads and a store, and count what there is after each."""
    this = "credit_gym.baselines.stress.left_behind"
    ended = Launched(folder, sys.executable, "-m", this, str(rng.randrange(2**32))).ended()
    check_said(ended, (0,))
    found = json.loads(ended.out.split("\n")[-2])
    expect(not found["left"], "leaked", "; ".join(found["left"]))
    return Outcome(f"{_ROUNDS} rounds of {', '.join(found['played'])}")


def main() -> None:
    """Play rounds; print what each left that was not there after the first."""
    rng = random.Random(int(sys.argv[1]))
    chosen = rng.sample([spec.id for spec in ENVIRONMENTS], 4)
    left: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        first: dict[str, int] = {}
        for number in range(_ROUNDS):
            for env_id in chosen:
                _play(env_id, Path(folder), number)
            counts = _settled(first)
            first = first or counts
            left += [f"{counts[kind]} {kind}, {first[kind]} at first" for kind in counts if counts[kind] > first[kind]]
    print(json.dumps({"played": [env_id.removeprefix("credit/") for env_id in chosen], "left": left}))


def _play(env_id: str, folder: Path, number: int) -> None:
    with Store.open(folder / "store") as store:
        run_id = store.start_run(env_id=env_id, agent_id="random", seed=number)
        run_episodes(
            lambda: RecordVerifier(gym.make(env_id)),
            parse_agent("random"),
            episodes=8,
            seed=number,
            workers=4,
            sink=partial(keep, store, run_id),
        )


def _settled(first: dict[str, int]) -> dict[str, int]:
    """Count until there is no more than at first, or for a while."""
    deadline = time.monotonic() + _SETTLING
    while True:
        counts = {
            "threads": threading.active_count(),
            "processes": len(descendants()),
            "open files": len(os.listdir("/proc/self/fd")),
            "temporary entries": len(os.listdir(tempfile.gettempdir())),
        }
        if all(counts[kind] <= first.get(kind, 0) for kind in counts) or time.monotonic() > deadline:
            return counts
        time.sleep(0.1)


if __name__ == "__main__":
    main()
