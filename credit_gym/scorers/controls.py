"""The two ends of every table: credit that knows nothing, and credit that knows everything.

``random``: independent ``c_t ~ N(0, 1)``; ``oracle``: ``c_t = A(s_t, a_t)``, the exact advantage by dynamic programming
(Sutton & Barto 2018, chapter 4).
"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray
from credit_gym.estimation.ranges import Range
from credit_gym.scorers.registry import register


@register("random", reference="a control")
def random(batch: EpisodeBatch, *, seed: Annotated[int, Range("[0, inf)")] = 0) -> FloatArray:
    """Every step gets an independent standard normal number, whatever happened.

    A control: any metric that it does well on does not measure credit. The numbers follow the position of a step in
    the batch, so, alone among scorers, it changes when episodes are reordered.

    Args:
        batch: the episodes.
        seed: of the numbers, in [0, inf).

    Returns:
        (S,) float64.
    """
    return np.random.default_rng(seed).standard_normal(batch.num_steps)


@register("oracle", needs={"advantage"}, scope="episode", reference="exact dynamic programming; a control")
def oracle(batch: EpisodeBatch) -> FloatArray:
    """A step gets its exact advantage, 0 where it is unknown.

    Args:
        batch: the episodes, with the column ``advantage``.

    Returns:
        (S,) float64, in reward units.
    """
    advantage: FloatArray = batch.require("advantage")
    return np.nan_to_num(advantage)
