"""Attributions that ask no model: the rows that every method has to beat on failure logs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from credit_gym.data.grouping import BoolArray, FloatArray, IntArray
from credit_gym.envs.who_and_when.logs import TERMINAL
from credit_gym.metrics.attribution import Logs, baseline_predictions, plain_name, uniform_expectation

SURFER = "websurfer"
"""The browsing agent of the hand-crafted logs, by its plain name."""

Guess: TypeAlias = IntArray | tuple[FloatArray, FloatArray] | None
"""(N,) predicted steps; or of a random choice the (N,) probability of a hit and expected distance; None where a rule
does not apply, because nobody it speaks of is in the logs."""


def uniform_spoken(logs: Logs) -> Guess:
    """A valid step at random, the code runner's left out."""
    spoken = _spoken(logs)
    return None if spoken is None else uniform_expectation(logs, spoken)


def longest_spoken(logs: Logs) -> Guess:
    """The longest valid step, the code runner's left out."""
    spoken = _spoken(logs)
    return None if spoken is None else baseline_predictions(logs._replace(valid=spoken))["longest step"]


def second_turn(logs: Logs, agent: str = SURFER) -> Guess:
    """The second turn of an agent; its only one where it has one, the first valid step where it has none."""
    own = np.array([plain_name(name) == agent for name in logs.agent], dtype=np.bool_)
    if not own.any():
        return None
    guess = baseline_predictions(logs)["first valid step"]
    for index, (start, end) in enumerate(pairwise(logs.offsets)):
        turns = np.flatnonzero(own[start:end])[:2]
        if turns.size:
            guess[index] = turns[-1]
    return guess


def positional_prior(logs: Logs) -> IntArray:
    """The step that the labels of all other logs name most often, clipped to the log.

    It has read labels, so it is no zero-shot method; it shows what position alone is worth.
    """
    counts = np.bincount(logs.error)[None, :].repeat(logs.error.size, axis=0)
    counts[np.arange(logs.error.size), logs.error] -= 1
    return np.asarray(np.minimum(counts.argmax(axis=1), np.diff(logs.offsets) - 1))


def _rule(name: str) -> Callable[[Logs], Guess]:
    return lambda logs: baseline_predictions(logs)[name]


ZERO_MODEL: dict[str, Callable[[Logs], Guess]] = {
    "uniform over valid steps": uniform_expectation,
    "uniform, no terminal": uniform_spoken,
    **{
        name: _rule(name)
        for name in (
            "first valid step",
            "last step",
            "longest step",
            "constant step 1",
            "constant step 8",
            "constant step 12",
        )
    },
    "longest step, no terminal": longest_spoken,
    "second WebSurfer turn": second_turn,
    "positional prior, leave-one-out": positional_prior,
}
"""Every rule by its name in tables."""


def _spoken(logs: Logs) -> BoolArray | None:
    agents = np.array([name != TERMINAL for name in logs.agent], dtype=np.bool_)
    return None if agents.all() else logs.valid & agents
