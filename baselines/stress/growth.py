"""Memory over many episodes, environment by environment, in a fresh process each: it comes to an end.

In a process of its own: ``python -m credit_gym.baselines.stress.growth ID FORM EPISODES SECONDS``.
"""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym

from credit_gym.baselines.stress.launching import Launched, check_said
from credit_gym.baselines.stress.trial import Outcome, expect
from credit_gym.registration import ENVIRONMENTS
from credit_gym.wrappers import RecordBelief, RecordEpisodes, RecordVerifier
from credit_gym.wrappers.record_belief import oracle

EPISODES = 10_000
SETTLED = 200
"""Episodes in which tables and caches fill."""
MOST = 2.0
"""MB that may come after them."""
REMEMBERED = {
    "credit/ALFWorld-v0": (32.0, "games, commands and distances, the latest 40,000 of all games together"),
    "credit/Sokoban-v0": (16.0, "rooms, their distances and up to 128 positions of each of the latest 128"),
    "credit/Tau2-v0": (4.0, "the conversations of all tasks, in each copy"),
    "credit/WebShop-v0": (40.0, "pages, search results and worths of states, up to 8,192 of each kind"),
}
"""Where more may come: how many MB, and what is remembered. Smaller caches cost walks in proportion."""
_STARTING = 60.0  # seconds
_COPIES = 4  # of an environment, in a vector


def grow(seconds: float, rng: random.Random, folder: Path) -> Outcome:
    """Play up to 10,000 episodes of every environment, each for some seconds at most; see that memory settles."""
    notes, grown = [], []
    for spec in rng.sample(ENVIRONMENTS, len(ENVIRONMENTS)):
        form = rng.choice(tuple(FORMS))
        this = ("-m", "credit_gym.baselines.stress.growth", spec.id, form, str(EPISODES), str(seconds))
        ended = Launched(folder, sys.executable, *this).ended(seconds + _STARTING)
        check_said(ended, (0,))
        episodes, megabytes = json.loads(ended.out)
        notes.append(f"{spec.id.removeprefix('credit/')} ({form}) {episodes}: {megabytes:+.1f} MB")
        most, _ = REMEMBERED.get(spec.id, (MOST, ""))
        grown += notes[-1:] if megabytes > most else []
    expect(not grown, "leaked", ", ".join(grown))
    return Outcome(", ".join(notes))


def allowed() -> str:
    """Return how much memory may grow by, in a sentence."""
    more = "; ".join(f"{megabytes:g} MB in {env_id} ({what})" for env_id, (megabytes, what) in REMEMBERED.items())
    return (
        f"Memory may grow by {MOST:g} MB beyond the first {SETTLED} episodes, by more where more is remembered: {more}."
    )


def main() -> None:
    """Play random episodes; print how many, and what memory grew by after the first ones."""
    env_id, form, episodes, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    settled, played, deadline = 0.0, 0, time.monotonic() + seconds
    for ended in FORMS[form](env_id, random.Random(0)):
        if played < SETTLED <= played + ended:
            settled = _megabytes()
        played += ended
        if played >= episodes or (time.monotonic() > deadline and played > SETTLED):
            break
    print(json.dumps([played, _megabytes() - settled]))


def _alone(env_id: str, rng: random.Random) -> Iterator[int]:
    yield from _episodes(gym.make(env_id).unwrapped, rng)


def _recorded(env_id: str, rng: random.Random) -> Iterator[int]:
    inner: Any = gym.make(env_id).unwrapped
    believed = RecordBelief(inner, oracle) if hasattr(inner, "log_belief") else inner
    yield from _episodes(RecordEpisodes(RecordVerifier(believed), keep=1), rng)


def _vector(env_id: str, rng: random.Random) -> Iterator[int]:
    envs: Any = gym.make_vec(env_id, num_envs=_COPIES)
    _, infos = envs.reset(seed=0)
    while True:
        offered = infos.get("admissible_actions", [None] * _COPIES)
        actions = tuple(rng.choice(each or ["look"]) for each in offered)
        _, _, terminated, truncated, infos = envs.step(actions)
        yield int((terminated | truncated).sum())


def _episodes(env: Any, rng: random.Random) -> Iterator[int]:
    """Play one after another; yield 1 after each."""
    played = 0
    while True:
        _, info = env.reset(seed=played)
        over = False
        while not over:
            _, _, terminated, truncated, info = env.step(rng.choice(info.get("admissible_actions") or ["look"]))
            over = terminated or truncated
        played += 1
        yield 1


FORMS: dict[str, Callable[[str, random.Random], Iterator[int]]] = {
    "alone": _alone,
    "recorded": _recorded,
    "vector": _vector,
}
"""How an environment is played: by itself, with the recording wrappers, as copies in one vector."""


def _megabytes() -> float:
    """What of this process lies in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
