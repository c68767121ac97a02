"""The transition rule of every tabular environment: 64 random bits decide what happens and what the verifier reads.

The high 32 bits choose the outcome, the low 32 bits the verifier's error. Probabilities are turned into whole numbers
of 2**-32 once, so that the scalar environment, the vector environment and the sampler take identical decisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from credit_gym.data.grouping import FloatArray, IntArray
from credit_gym.exact.tabular_model import TabularModel
from credit_gym.rng import UIntArray

_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True, slots=True, eq=False)
class Dynamics:
    """A model's transitions as flat tables; row ``state * slots + slot``.

    Attributes:
        slots: A.
        thresholds: K - 1 columns, each (S * A,) uint64: outcome k or later happens when the draw reaches it.
        successor: (S * A * K,) int64.
        signal: (S * A * K,) float64.
        noise: the verifier errs when the low half of the draw lies below it.
    """

    slots: int
    thresholds: tuple[UIntArray, ...]
    successor: IntArray
    signal: FloatArray
    noise: int

    def step(self, state: IntArray, slot: IntArray, bits: UIntArray) -> tuple[IntArray, FloatArray]:
        """Move n copies at once.

        Args:
            state: (n,) int64 non-terminal states.
            slot: (n,) int64 admissible slots.
            bits: (n,) uint64 random bits.

        Returns:
            next_state: (n,) int64.
            verifier: (n,) float64, errors included.
        """
        row = state * self.slots + slot
        high = bits >> _HALF
        outcome = row * (len(self.thresholds) + 1)
        for threshold in self.thresholds:
            outcome += high >= threshold[row]
        verifier = self.signal[outcome]
        if self.noise:
            low = bits & _LOW
            wrong = np.flatnonzero(low < np.uint64(self.noise))
            shift = 1.0 + (low[wrong] & np.uint64(1))
            verifier[wrong] = (verifier[wrong] + 1.0 + shift) % 3.0 - 1.0
        return self.successor[outcome], verifier


@lru_cache(maxsize=64)
def dynamics(model: TabularModel) -> Dynamics:
    """Return the transition tables of a model (made once)."""
    bounds = thresholds(model.probability).reshape(-1, model.probability.shape[2])
    return Dynamics(
        slots=model.admissible.shape[1],
        thresholds=tuple(np.ascontiguousarray(column) for column in bounds.T[:-1]),
        successor=model.successor.ravel(),
        signal=model.signal.ravel(),
        noise=round(model.verifier_noise * 2**32),
    )


def thresholds(probability: FloatArray) -> UIntArray:
    """Return the cumulative probabilities over the last axis in units of 2**-32, rounded; same shape, uint64."""
    return np.rint(np.cumsum(probability, axis=-1) * 2.0**32).astype(np.uint64)


def choose(bounds: UIntArray, bits: UIntArray) -> IntArray:
    """Draw a category for each row.

    Args:
        bounds: (n, A) uint64 :func:`thresholds` of a distribution; categories of probability 0 are never drawn.
        bits: (n,) uint64 random bits, of which the high half is used.

    Returns:
        (n,) int64 in ``0..A-1``.
    """
    drawn: IntArray = (bounds <= (bits >> _HALF)[:, None]).sum(axis=1)
    return drawn


def start_states(model: TabularModel, task: IntArray, bits: UIntArray) -> IntArray:
    """Return the (n,) start states of n tasks; the low half of the (n,) draws decides on the alternative start."""
    return np.where((bits & _LOW) < start_thresholds(model)[task], model.start_alternative[task], model.start[task])


def start_thresholds(model: TabularModel) -> UIntArray:
    """Return the (N,) uint64 probabilities of the alternative starts in units of 2**-32."""
    return np.rint(model.start_split * 2.0**32).astype(np.uint64)
