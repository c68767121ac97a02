"""Which step of a failed run was the decisive error: prediction rules over step scores, and how good they are.

Everything works on one flat array of step scores with offsets, one log after another, so that all rules over all
aggregations of hundreds of logs take milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from credit_gym.data.grouping import BoolArray, FloatArray, IntArray, group_mean
from credit_gym.errors import BatchError, unknown


class Logs(NamedTuple):
    """N failure logs as flat columns.

    Attributes:
        offsets: (N+1,) int64; log i owns messages ``offsets[i]:offsets[i+1]``, each log at least one.
        valid: (M,) whether a message is a step that could be the error.
        length: (M,) int64 characters of each message.
        error: (N,) int64 index of the decisive error within its log.
        agent: (M,) name of who wrote each message.
        culprit: (N,) name of the agent that the label blames.
    """

    offsets: IntArray
    valid: BoolArray
    length: IntArray
    error: IntArray
    agent: tuple[str, ...] = ()
    culprit: tuple[str, ...] = ()

    @property
    def log(self) -> IntArray:
        """(M,) log of each message."""
        return np.repeat(np.arange(self.offsets.size - 1), np.diff(self.offsets))

    @property
    def step(self) -> IntArray:
        """(M,) index of each message within its log."""
        return np.arange(int(self.offsets[-1])) - np.repeat(self.offsets[:-1], np.diff(self.offsets))


class Attribution(NamedTuple):
    """How well predictions meet the labels, per log: means are the reported figures.

    Attributes:
        hit: (N,) whether the predicted step is the labelled one, exactly.
        distance: (N,) absolute difference in steps.
        agent_hit: (N,) whether the predicted step was written by the labelled agent; empty where names are unknown.
    """

    hit: BoolArray
    distance: IntArray
    agent_hit: BoolArray


def predict(rule: str, score: FloatArray, logs: Logs) -> IntArray:
    """Predict the decisive step of every log.

    Args:
        rule: a key of :data:`RULES`.
        score: (M,) score of each message, low where the agent did badly; NaN counts as no reading, and such a step is
            never predicted while another one is valid.
        logs: the logs.

    Returns:
        (N,) int64 index within each log; 0 where no step is valid.

    Raises:
        UnknownNameError: there is no such rule.
        BatchError: ``score`` does not have one value per message.
    """
    if rule not in RULES:
        raise unknown("attribution rule", rule, RULES)
    if score.shape != logs.valid.shape:
        raise BatchError(f"There are {logs.valid.size} messages but {score.size} scores.")
    usable = logs.valid & ~np.isnan(score)
    return RULES[rule](np.where(usable, score, 0.0), usable, logs)


def min_cumulative(score: FloatArray, valid: BoolArray, logs: Logs) -> IntArray:
    """The valid step after which the running sum of the scores is lowest, the earliest of equals.

    A score that is negative everywhere has a falling sum, so that this always names the last step: it cannot tell
    anything of plain log-probabilities.
    """
    table = np.zeros((logs.offsets.size - 1, int(np.diff(logs.offsets).max(initial=0))))
    table[logs.log, logs.step] = score  # one row a log: no log's rounding reaches another's
    return _lowest(np.cumsum(table, axis=1)[logs.log, logs.step], valid, logs)


def sharpest_drop(score: FloatArray, valid: BoolArray, logs: Logs) -> IntArray:
    """The lowest valid step, the earliest of equals; the first valid one where no score is negative."""
    lowest = _lowest(score, valid, logs)
    negative = score[logs.offsets[:-1] + lowest] < 0.0
    return np.where(negative, lowest, _first(valid, logs))


def sharpest_abs_drop(score: FloatArray, valid: BoolArray, logs: Logs) -> IntArray:
    """The valid step that falls furthest below the valid step before it; the first valid one where none falls."""
    steps = np.flatnonzero(valid)
    change = np.full(valid.size, np.inf)
    same = logs.log[steps[1:]] == logs.log[steps[:-1]]
    change[steps[1:][same]] = (score[steps[1:]] - score[steps[:-1]])[same]
    falls = change <= 0.0
    lowest = _lowest(change, falls, logs)
    any_falls = np.bincount(logs.log[falls], minlength=logs.offsets.size - 1) > 0
    return np.where(any_falls, lowest, _first(valid, logs))


def threshold(score: FloatArray, valid: BoolArray, logs: Logs, *, below: float = 0.5) -> IntArray:
    """The first valid step whose score is under a threshold, else the lowest one."""
    under = valid & (score < below)
    any_under = np.bincount(logs.log[under], minlength=logs.offsets.size - 1) > 0
    return np.where(any_under, _first(under, logs), _lowest(score, valid, logs))


RULES: dict[str, Callable[[FloatArray, BoolArray, Logs], IntArray]] = {
    "min_cumulative": min_cumulative,
    "sharpest_drop": sharpest_drop,
    "sharpest_abs_drop": sharpest_abs_drop,
    "threshold": threshold,
}


def compare(prediction: IntArray, logs: Logs) -> Attribution:
    """Compare predicted steps with the labels; agents are compared without case and without a note in parentheses."""
    agent_hit = np.zeros(0, dtype=np.bool_)
    if logs.agent:
        written = [plain_name(logs.agent[i]) for i in logs.offsets[:-1] + prediction]
        blamed = [plain_name(name) for name in logs.culprit]
        agent_hit = np.array([a == b for a, b in zip(written, blamed, strict=True)], dtype=np.bool_)
    return Attribution(prediction == logs.error, np.abs(prediction - logs.error), agent_hit)


def plain_name(agent: str) -> str:
    """Return an agent's name as labels and logs agree on it: ``Orchestrator (thought)`` is ``orchestrator``."""
    return agent.partition(" (")[0].strip().casefold()


def within(distance: IntArray, tolerance: int) -> float:
    """Share of predictions at most ``tolerance`` steps off."""
    return float((distance <= tolerance).mean())


def label_rank(score: FloatArray, logs: Logs) -> FloatArray:
    """Rank of the labelled step among the valid steps of its log, lowest score first, from 1; ties take their mean.

    Returns:
        (N,) float64; infinite where the labelled step is not valid or has no reading. ``mean(1 / rank)`` is the mean
        reciprocal rank, ``mean(rank <= 3)`` the top-3 accuracy.
    """
    usable = logs.valid & ~np.isnan(score)
    label = logs.offsets[:-1] + logs.error
    own = score[label][logs.log]
    lower = np.bincount(logs.log[usable & (score < own)], minlength=label.size)
    equal = np.bincount(logs.log[usable & (score == own)], minlength=label.size)
    return np.where(usable[label], lower + (equal + 1) / 2, np.inf)


def baseline_predictions(logs: Logs, *, constants: tuple[int, ...] = (1, 8, 12)) -> dict[str, IntArray]:
    """The predictions that need no model, which every method has to beat: first, last, longest, constant steps.

    Returns:
        Name -> (N,) index within each log; constants are clipped to the log, the longest step is the earliest of
        equals among the valid ones.
    """
    last = np.diff(logs.offsets) - 1
    rules = {
        "first valid step": _first(logs.valid, logs),
        "last step": last,
        "longest step": _lowest(-logs.length.astype(np.float64), logs.valid, logs),
    }
    return rules | {f"constant step {k}": np.minimum(k, last) for k in constants}


def uniform_expectation(logs: Logs, valid: BoolArray | None = None) -> tuple[FloatArray, FloatArray]:
    """Accuracy and absolute error of naming a valid step at random, in expectation.

    Args:
        logs: the logs.
        valid: (M,) the steps to choose from; those of the logs by default.

    Returns:
        (N,) probability of a hit and (N,) expected distance, both over the random choice.
    """
    steps = logs.valid if valid is None else valid
    size = np.bincount(logs.log[steps], minlength=logs.error.size)
    label = logs.offsets[:-1] + logs.error
    hit = np.where(steps[label], 1.0 / np.maximum(size, 1), 0.0)
    off = np.abs(logs.step - logs.error[logs.log]).astype(np.float64)
    return hit, group_mean(off[steps], logs.log[steps], logs.error.size)


def _first(mask: BoolArray, logs: Logs) -> IntArray:
    """(N,) index of the first marked step of each log, 0 where none is."""
    return _lowest(np.zeros(mask.size), mask, logs)


def _lowest(values: FloatArray, mask: BoolArray, logs: Logs) -> IntArray:
    """(N,) index of the earliest lowest marked value of each log, 0 where none is marked."""
    marked = np.flatnonzero(mask)
    order = marked[np.lexsort((marked, values[marked], logs.log[marked]))]
    owner, first = np.unique(logs.log[order], return_index=True)
    result = np.zeros(logs.offsets.size - 1, dtype=np.int64)
    result[owner] = logs.step[order[first]]
    return result
