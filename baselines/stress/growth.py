"""Memory over many episodes, environment by environment, in a fresh process each: it comes to an end.

In a process of its own: ``python -m credit_gym.baselines.stress.growth ID EPISODES SECONDS``.
"""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium as gym

from credit_gym.baselines.stress.launching import Launched, check_said
from credit_gym.baselines.stress.trial import Outcome, expect
from credit_gym.registration import ENVIRONMENTS

EPISODES = 10_000
_SETTLED = 200  # episodes in which tables and caches fill
_MOST = 2.0  # MB that may come after them
_CACHES = {"credit/WebShop-v0": 32.0}  # MB; what it remembers of many tasks is bounded, and fills more slowly
_STARTING = 60.0  # seconds


def grow(seconds: float, rng: random.Random, folder: Path) -> Outcome:
    """Play up to 10,000 episodes of every environment, each for some seconds at most; see that memory settles."""
    notes, grown = [], []
    for spec in rng.sample(ENVIRONMENTS, len(ENVIRONMENTS)):
        this = ("-m", "credit_gym.baselines.stress.growth", spec.id, str(EPISODES), str(seconds))
        ended = Launched(folder, sys.executable, *this).ended(seconds + _STARTING)
        check_said(ended, (0,))
        episodes, megabytes = json.loads(ended.out)
        notes.append(f"{spec.id.removeprefix('credit/')} {episodes}: {megabytes:+.1f} MB")
        grown += notes[-1:] if megabytes > _CACHES.get(spec.id, _MOST) else []
    expect(not grown, "leaked", ", ".join(grown))
    return Outcome(", ".join(notes))


def main() -> None:
    """Play random episodes; print how many, and what memory grew by after the first ones."""
    env_id, episodes, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    env: Any = gym.make(env_id).unwrapped
    rng = random.Random(0)
    settled, played, deadline = 0.0, 0, time.monotonic() + seconds
    while played < episodes and (time.monotonic() < deadline or played <= _SETTLED):
        if played == _SETTLED:
            settled = _megabytes()
        _, info = env.reset(seed=played)
        over = False
        while not over:
            _, _, terminated, truncated, info = env.step(rng.choice(info.get("admissible_actions") or ["look"]))
            over = terminated or truncated
        played += 1
    print(json.dumps([played, _megabytes() - settled]))
    env.close()


def _megabytes() -> float:
    """What of this process lies in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
