"""Agents that need no learning: random, expert, and anything in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from credit_gym import rng
from credit_gym.agents.core import Context, random_bits, uniform_action
from credit_gym.errors import CreditGymError


@dataclass(frozen=True)
class RandomAgent:
    """Plays the admissible actions with equal probability.

    Attributes:
        seed: fixes every draw, together with the episode's seed and the step.
    """

    seed: int = 0
    name: str = "random"

    def act(self, contexts: Sequence[Context], /) -> list[str]:
        """Return one action per context."""
        return [uniform_action(context, random_bits(context, self.seed)) for context in contexts]


@dataclass(frozen=True)
class ScriptedExpert:
    """Plays the first of ``info["expert_actions"]``."""

    name: str = "expert"

    def act(self, contexts: Sequence[Context], /) -> list[str]:
        """Return one action per context.

        Raises:
            CreditGymError: the environment does not know its optimal actions.
        """
        return [_expert_action(context) for context in contexts]


@dataclass(frozen=True)
class NoisyExpert:
    """Plays a random admissible action with probability epsilon, else the expert's.

    Where the environment says that no action helps any more (a room of Sokoban that is lost), all are random.

    Attributes:
        epsilon: probability of a random action, in [0, 1].
        seed: fixes every draw, together with the episode's seed and the step.
    """

    epsilon: float
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.epsilon <= 1.0:
            raise CreditGymError(f"epsilon must lie in [0, 1], not {self.epsilon}.")

    @property
    def name(self) -> str:
        """``noisy:`` and epsilon."""
        return f"noisy:{self.epsilon:g}"

    def act(self, contexts: Sequence[Context], /) -> list[str]:
        """Return one action per context.

        Raises:
            CreditGymError: the environment does not know its optimal actions.
        """
        return [self._action(context) for context in contexts]

    def _action(self, context: Context) -> str:
        bits = random_bits(context, self.seed)
        lost = context.info.get("expert_actions") in ([], ()) and bool(context.admissible_actions)
        if lost or bits < self.epsilon * 2.0**64:
            return uniform_action(context, rng.mix(rng.advance(bits)))
        return _expert_action(context)


def _expert_action(context: Context) -> str:
    actions = context.info.get("expert_actions")
    if not actions:
        raise CreditGymError("The environment does not say what an expert would do here; play it with another agent.")
    return str(actions[0])
