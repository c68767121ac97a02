"""Speed-table lines of the store: short episodes in, one a call and many a call, and out again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import gymnasium as gym

from credit_gym.agents.rollout.runner import run_episodes
from credit_gym.agents.spec import parse_agent
from credit_gym.baselines.speed.measurement import Measurement
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.store import Store
from credit_gym.wrappers import RecordVerifier

ENV_ID = "credit/Stochastic-v0"
EPISODES = 4_000
MILLION = 1_000_000


def store() -> Iterator[Measurement]:
    """At least 20,000 steps a second in from one process, and a million steps out in 3 seconds."""
    yield Measurement("store, short episodes in, one a call", "steps/s", 2e4, lambda: _write(1))
    yield Measurement("store, short episodes in, all in one call", "steps/s", 2e4, lambda: _write(EPISODES))
    folder = TemporaryDirectory()
    kept, run_id = _filled(Path(folder.name), EPISODES)
    steps = kept.outcomes(run_id).steps

    def line(name: str, read: Callable[[], object], target: float) -> Measurement:
        def run() -> float:
            read()
            return steps / MILLION

        return Measurement(name, "million steps/s", target, run)

    yield line("store, short episodes out", lambda: kept.load_episodes(run_id), 1 / 3)
    yield line(
        "store, short episodes out, as a batch", lambda: EpisodeBatch.from_episodes(kept.episodes(run_id)), 1 / 3
    )
    size = (Path(folder.name) / "store.sqlite").stat().st_size
    yield Measurement(
        "store, short episodes, size of one", "bytes", None, lambda: size / EPISODES, "value", lower_is_better=True
    )
    kept.close()
    folder.cleanup()


def _batch(kept: Store, run_id: str) -> EpisodeBatch:
    return EpisodeBatch.from_episodes(kept.episodes(run_id))


def _write(at_once: int) -> float:
    with TemporaryDirectory() as folder:
        kept, run_id = _filled(Path(folder), at_once)
        steps = kept.outcomes(run_id).steps
        kept.close()
    return steps


def _filled(folder: Path, at_once: int) -> tuple[Store, str]:
    """A store with the episodes."""
    episodes, kept = played(), Store.open(folder)
    run_id = kept.start_run(env_id=ENV_ID, agent_id="noisy:0.3")
    for start in range(0, len(episodes), at_once):
        kept.add_episodes(run_id, episodes[start : start + at_once])
    return kept, run_id


@cache
def played() -> list[Episode]:
    """Episodes of a controlled environment, of about five steps."""
    found = run_episodes(
        lambda: RecordVerifier(gym.make(ENV_ID)),
        parse_agent("noisy:0.3", seed=0),
        episodes=EPISODES,
        seed=0,
        group_size=8,
        progress=False,
    )
    return [replace(episode, episode_id=f"0-{number}") for number, episode in enumerate(found)]
