"""Credits of a careless agent's episodes point at its slips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

import gymnasium as gym
import numpy as np

import credit_gym as cg
from credit_gym.agents.core import Context
from credit_gym.envs.function_calls.env import FunctionCallsEnv


class Careless:
    """Takes another value now and then, or forgets the rest of what was asked."""

    name = "careless"

    def act(self, contexts: Sequence[Context], /) -> list[str]:
        """Return one action for each context."""
        return [self._action(context) for context in contexts]

    def _action(self, context: Context) -> str:
        (right,) = context.info["expert_actions"]
        chance = Random(f"{context.seed} {context.step}")
        if right == "done()" or chance.random() > 0.12:
            return str(right)
        tool = right.partition("(")[0]
        alike = [action for action in context.info["admissible_actions"] if action.partition("(")[0] == tool]
        return str(chance.choice([action for action in alike if action != right] or ["done()"]))


def test_the_lowest_credit_of_a_lost_episode_stands_at_a_slip() -> None:
    found = cg.credited(
        cg.run_episodes(
            lambda: cg.RecordVerifier(gym.make("credit/FunctionCalls-v0")),
            Careless(),
            episodes=64,
            seed=0,
            group_size=8,
        ),
        "evidence_lambda",
        "td_error",
    )
    starts = np.cumsum([0, *map(len, found.episodes)])
    lost = [number for number, episode in enumerate(found.episodes) if not episode.success]
    assert 16 <= len(lost) <= 48
    env = FunctionCallsEnv()
    numbers = env.source.numbers()
    slipped = {number: slips(env, numbers, found.episodes[number]) for number in lost}
    for credits in found.credits.values():
        blamed = [int(np.argmin(credits[starts[number] : starts[number + 1]])) for number in lost]
        right = [place in slipped[number] for number, place in zip(lost, blamed, strict=True)]
        assert np.mean(right) >= 0.8


def slips(env: FunctionCallsEnv, numbers: Mapping[str, int], episode: cg.Episode) -> list[int]:
    """The steps where an episode did otherwise than the expert would have."""
    _, info = env.reset(options={"task": numbers[episode.task_id]})
    found = []
    for step, action in enumerate(episode.actions):
        if action != info["expert_actions"][0]:
            found.append(step)
        info = env.step(action)[4]
    return found
