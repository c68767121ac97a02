"""Speed-table lines: a replay forked at step t of T beside one that plays the first t steps again."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gymnasium as gym

from credit_gym.agents.core import Context, random_bits
from credit_gym.agents.replay.allocation import FanOut, PerDecision
from credit_gym.agents.replay.behaviour import BehaviourAgent
from credit_gym.agents.replay.tree import ReplayTree
from credit_gym.baselines.speed.measurement import Measurement
from credit_gym.data.episode import Episode
from credit_gym.envs.team.game import TeamGame

ENVIRONMENTS: dict[str, dict[str, Any]] = {
    "credit/ALFWorld-v0": {"max_steps": 40},
    "credit/WebShop-v0": {"max_steps": 40},
    "credit/TwentyQuestions-v0": {"turns": 20},
}
"""Environment -> the argument that sets T."""
REPLAYS = 32
QUESTIONS = 7


def replay() -> Iterator[Measurement]:
    """How many times faster forked replays are than replays from the start, and how fast a tree grows.

    Both replays take the same actions; a fork spares T / (T - t) of the steps, and is held to 0.8 of that.
    """
    for env_id, limit in ENVIRONMENTS.items():
        (steps,) = limit.values()
        name = env_id.removeprefix("credit/").removesuffix("-v0")
        for fork in (steps // 2, 3 * steps // 4):
            yield Measurement(
                f"{name}, replay forked at step {fork} of {steps} against one from the start",
                "times faster",
                0.8 * steps / (steps - fork),
                partial(speedup, env_id, limit, fork),
                "value",
            )
    env = TeamGame()
    agent = BehaviourAgent(env.model)

    def grow() -> float:
        grower = ReplayTree(env, agent, FanOut((2, 4)))
        for question in range(200):
            grower.grow(question)
        return grower.ledger.spent["env_steps"]

    yield Measurement("ReplayTree, 2x4 trees of TeamGame with a scripted agent", "plays/s", None, grow)


def speedup(env_id: str, limit: dict[str, Any], fork: int) -> float:
    """Return the median over questions of the seconds of replays from the start over those of forked ones."""
    env: Any = gym.make(env_id, **limit)
    (steps,) = limit.values()
    ratios: list[float] = []
    for question in range(QUESTIONS):
        tree = ReplayTree(env, Browser(), PerDecision(1 + REPLAYS, 1, (fork,))).grow(question)
        replays = [episode for episode in tree.episodes() if len(episode) == steps]
        options = None if tree.options is None else dict(tree.options)
        if replays:
            timed = (_seconds(env.unwrapped, replays, fork, options) for _ in range(5))
            start, forked = (float(min(seconds)) for seconds in zip(*timed, strict=True))
            ratios.append(start / forked)
    env.close()
    return statistics.median(ratios)


def _seconds(env: Any, replays: Sequence[Episode], fork: int, options: dict[str, Any] | None) -> tuple[float, float]:
    """Seconds of all replays from the start and of all forked ones."""
    began = time.perf_counter()
    for episode in replays:
        env.reset(seed=episode.seed, options=options)
        for action in episode.actions:
            env.step(action)
    start = time.perf_counter() - began
    env.reset(seed=replays[0].seed, options=options)
    for action in replays[0].actions[:fork]:
        env.step(action)
    moment = env.clone_state()
    began = time.perf_counter()
    for episode in replays:
        env.restore_state(moment)
        for action in episode.actions[fork:]:
            env.step(action)
    return start, time.perf_counter() - began


@dataclass(frozen=True)
class Browser:
    """Plays any admissible action that does not end the episode by a purchase."""

    name: str = "browser"

    def act(self, contexts: Sequence[Context], /) -> list[str]:
        """Return one action per context."""
        return [self._action(context) for context in contexts]

    def _action(self, context: Context) -> str:
        offered = [action for action in context.admissible_actions if "buy now" not in action.lower()]
        return offered[random_bits(context, 0) * len(offered) >> 64]
