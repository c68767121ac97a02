"""What a credit is made of: the terms of each step and the equations that lead from them to its credit by hand.

A scorer's explanation stands in the scorer's own file. A test works the equations out and holds the result equal to the
scorer's credit on every step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, group_mean, group_std
from credit_gym.estimation.normalise import RELATIVE_FLOOR
from credit_gym.scorers.registry import check_options, get


class Term(NamedTuple):
    """One number a step.

    Attributes:
        meaning: what it is, in a few words.
        values: (S,) float64, finite.
    """

    meaning: str
    values: FloatArray


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the credits of a batch are made of.

    Attributes:
        equations: in the order in which they are worked out; the last one gives ``c``, the credit. Each is an
            assignment in the signs of Python, with ``max`` of two numbers; what is divided by 0 is 0.
        terms: what the equations read, by name.
        constants: options that the equations read, by name.
    """

    equations: tuple[str, ...]
    terms: Mapping[str, Term]
    constants: Mapping[str, float] = field(default_factory=dict)


Explain = Callable[..., Explanation | None]
_EXPLAINED: dict[str, Explain] = {}


def explains(name: str) -> Callable[[Explain], Explain]:
    """Register the explanation of a scorer: a function of a batch and of all its options.

    It returns None where it does not know the credits of some options.

    Args:
        name: the scorer.
    """

    def add(function: Explain) -> Explain:
        _EXPLAINED[name] = function
        return function

    return add


def explained() -> list[str]:
    """Return the sorted names of the scorers that have an explanation."""
    return sorted(_EXPLAINED)


def explain(batch: EpisodeBatch, name: str, **options: object) -> Explanation | None:
    """Return what a scorer's credits are made of; None where nobody has written that down.

    Args:
        batch: the episodes.
        name: a registered scorer.
        options: its keyword options.

    Raises:
        CreditGymError: those of :func:`credit_gym.scorers.score`.
    """
    options = check_options(name, options)
    function = _EXPLAINED.get(name)
    if function is None:
        return None
    defaults = {option: declared.default for option, declared in get(name).options.items()}
    return function(batch, **{**defaults, **options})


def outcome_terms(batch: EpisodeBatch, *, scale: bool = True) -> dict[str, Term]:
    """Return the terms ``R``, ``mean_R`` and ``sd_R`` of the group's returns, as grpo reads them."""
    returns, groups = batch.episode_return, batch.num_groups
    mean = group_mean(returns, batch.group, groups)[batch.step_group]
    own = returns[batch.episode]
    if not scale:
        return {"R": Term("return of the episode", own), "mean_R": Term("mean return of its group", mean)}
    return {
        "R": Term("return of the episode", own),
        "mean_R": Term("mean return of its group", mean),
        "sd_R": Term(
            "standard deviation of the group's returns",
            deviation(returns, batch.group, groups)[batch.step_group],
        ),
    }


def deviation(values: FloatArray, ids: np.ndarray, count: int) -> FloatArray:
    """What :func:`~credit_gym.estimation.normalise.standardise` divides by, 0 where it is rounding.

    Args:
        values: (M,) float64.
        ids: (M,) int64 in ``0..count-1``.
        count: number of groups.

    Returns:
        (count,) float64, the population standard deviation of each group.
    """
    spread = group_std(values, ids, count)
    size = np.hypot(spread, group_mean(values, ids, count))  # the root mean square
    return np.where(spread > RELATIVE_FLOOR * size, spread, 0.0)
