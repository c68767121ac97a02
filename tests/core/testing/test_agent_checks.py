"""The built-in agents pass ``check_agent``, and each promise of an agent has an offender that it catches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import pytest

import credit_gym  # noqa: F401 (registers the environments)
from credit_gym.agents.core import Context
from credit_gym.agents.learning.softmax import SoftmaxAgent
from credit_gym.agents.rollout.batching import Batched
from credit_gym.agents.score_table import ScoreTable, ScoreTableAgent
from credit_gym.agents.scripted import RandomAgent
from credit_gym.agents.spec import parse_agent
from credit_gym.data.target import TrainingTarget
from credit_gym.envs.text_env import TextEnv
from credit_gym.testing import check_agent, sample_contexts


class First:
    name = "first"

    def __init__(self, seed: int = 0) -> None:
        self.calls = 0

    def act(self, contexts: Sequence[Context]) -> list[str]:
        return [context.admissible_actions[0] for context in contexts]


class Nameless(First):
    name = ""


class OneTooFew(First):
    def act(self, contexts: Sequence[Context]) -> list[str]:
        return super().act(contexts)[1:]


class Numbers(First):
    def act(self, contexts: Sequence[Context]) -> list[Any]:
        return [context.step for context in contexts]


class ActIsNoMethod:
    name = "act is no method"
    act = 7

    def __init__(self, seed: int) -> None:
        pass


class Silent(First):
    def act(self, contexts: Sequence[Context]) -> Any:
        return None


class Counts(First):
    def act(self, contexts: Sequence[Context]) -> list[str]:
        self.calls += 1
        return [f"{action} {self.calls}" for action in super().act(contexts)]


class LooksBeside(First):
    def act(self, contexts: Sequence[Context]) -> list[str]:
        return [f"{action} {len(contexts)}" for action in super().act(contexts)]


class HasFavourites(First):
    def act(self, contexts: Sequence[Context]) -> list[str]:
        first = contexts[0].admissible_actions if contexts else ()
        return [first[0] if len(contexts) > 1 else action for action in super().act(contexts)]


class Unseeded(First):
    made = 0

    def __init__(self, seed: int = 0) -> None:
        Unseeded.made += 1
        self.mine = Unseeded.made

    def act(self, contexts: Sequence[Context]) -> list[str]:
        return [context.admissible_actions[self.mine % len(context.admissible_actions)] for context in contexts]


class Scribbles(First):
    def act(self, contexts: Sequence[Context]) -> list[str]:
        for context in contexts:
            context.info["seen"] = True  # type: ignore[index]
        return super().act(contexts)


class Awaited:
    name = "awaited"

    async def act_async(self, context: Context) -> str:
        return context.admissible_actions[-1]

    async def close(self) -> None:
        return None


@pytest.mark.parametrize(
    ("offender", "sentence"),
    [
        (lambda seed: object(), "must have a name and act"),
        (lambda seed: First, "not its class First"),
        (First(), "a function that builds the agent"),
        (lambda: First(), "Building the agent"),
        (ActIsNoMethod, "answered .* with TypeError"),
        (Silent, "answered .* with TypeError"),
        (Nameless, "must not be empty"),
        (OneTooFew, "as many actions"),
        (Numbers, "must be text"),
        (Counts, "alike every time"),
        (LooksBeside, "contexts beside it"),
        (HasFavourites, "contexts beside it"),
        (Unseeded, "one seed"),
        (Scribbles, "must not change"),
    ],
)
def test_a_broken_promise_is_named(offender: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_agent(offender)


class Fails(TextEnv):
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        raise OSError("no such file")


def test_a_check_that_would_ask_nothing_is_refused() -> None:
    with pytest.raises(AssertionError, match="at least one context"):
        check_agent(First, [])
    with pytest.raises(AssertionError, match=r"sample environment failed: OSError: no such file"):
        sample_contexts(Fails)


@pytest.mark.parametrize("spec", ["random", "expert", "noisy:0.3"])
def test_the_scripted_agents_keep_their_promises(spec: str) -> None:
    check_agent(lambda seed: parse_agent(spec, seed=seed))
    contexts = sample_contexts(lambda: gym.make("credit/TwentyQuestions-v0"))
    check_agent(lambda seed: parse_agent(spec, seed=seed), contexts)


def test_the_learners_keep_their_promises() -> None:
    contexts = sample_contexts(lambda: gym.make("credit/Stochastic-v0"))
    known = [TrainingTarget("e", 0, c.info["state_key"], c.admissible_actions[-1], 1.0) for c in contexts[::2]]
    check_agent(lambda seed: ScoreTableAgent(ScoreTable(seed).fit(known), seed))
    check_agent(SoftmaxAgent)
    check_agent(First)


def test_awaited_and_batched_agents_are_checked_alike() -> None:
    check_agent(lambda seed: Awaited())
    check_agent(lambda seed: Batched(RandomAgent(seed)))
