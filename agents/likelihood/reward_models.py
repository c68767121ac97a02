"""Reward models as baselines, by the spec that names them: ThinkPRM judges steps, WildReward grades runs.

Prompts follow the models' published structure in words of this project. ``mode="upstream"`` cuts long runs as
progress-advantage's code does; by default what is cut is whole, the oldest, and known to be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from credit_gym.agents.likelihood.think_prm import ThinkPRM
from credit_gym.agents.likelihood.transcripts import Transcript
from credit_gym.agents.likelihood.wild_reward import WildReward
from credit_gym.data.grouping import FloatArray
from credit_gym.errors import CreditGymError, unknown
from credit_gym.estimation.modes import Mode


class RewardModel(Protocol):
    """A model trained to tell good runs from bad ones."""

    @property
    def name(self) -> str:
        """The spec that names it, such as ``wild_reward:FOLDER``."""
        ...

    def grade(self, transcripts: Sequence[Transcript], /, *, mode: Mode = "default") -> FloatArray:
        """Return (E,) grades of runs, higher meaning success; NaN where the model said nothing."""
        ...


REWARD_MODELS: dict[str, Callable[[str], RewardModel]] = {"think_prm": ThinkPRM, "wild_reward": WildReward}


def parse_reward_model(spec: str) -> RewardModel:
    """Return the reward model of a spec: ``think_prm:`` and the spec of a language model, or ``wild_reward:FOLDER``.

    Raises:
        UnknownNameError: there is no reward model of that kind.
        CreditGymError: it cannot be loaded.
    """
    kind, _, argument = spec.partition(":")
    if kind not in REWARD_MODELS:
        raise unknown("reward model", kind, REWARD_MODELS)
    if not argument:
        raise CreditGymError(f"Write {kind}:MODEL, such as think_prm:hf:FOLDER or wild_reward:FOLDER.")
    return REWARD_MODELS[kind](argument)
