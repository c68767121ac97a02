"""How well an agent finds things out: Mean@k, success by budget, repeated questions, all over secrets.

Every function takes the outcomes of n games of each of m secrets, (m, n) bool. What is uncertain is which secrets one
happened to test on, so intervals resample secrets; the spread over the n repetitions says only how noisy one full test
pass is. Pass@k is that of :mod:`credit_gym.metrics.pass_at_k`.
"""

from __future__ import annotations

import numpy as np

from credit_gym.data.grouping import BoolArray, FloatArray, IntArray
from credit_gym.errors import BatchError
from credit_gym.metrics.statistics import Estimate, bootstrap_mean


def mean_at_k(success: BoolArray) -> tuple[float, float]:
    """Return Mean@k and its spread: mean and population standard deviation of the k repetitions' success rates.

    Args:
        success: (m, k) whether game j of secret i was won.

    Raises:
        BatchError: there is no game.
    """
    rates = _outcomes(success).mean(axis=0)
    return float(rates.mean()), float(rates.std())


def success_by_budget(won: BoolArray, turns: IntArray, budget: int) -> FloatArray:
    """Return the share of games won within t turns, for t = 1..budget; (budget,).

    One run with a large limit gives the whole curve: a game won at turn t was won within every budget from t on, and a
    win on the very last turn counts. The published scripts mark such a win like a loss, which loses it.

    Args:
        won: (E,) whether each game was won.
        turns: (E,) turns that each game took.
        budget: the largest budget, at most the limit of the run.

    Raises:
        BatchError: there is no game, or the lengths differ.
    """
    if won.ndim != 1 or won.shape != turns.shape or won.size == 0:
        raise BatchError("success_by_budget needs one outcome and one number of turns for each of at least one game.")
    solved = np.bincount(np.minimum(turns[won], budget + 1), minlength=budget + 2)[: budget + 1]
    curve: FloatArray = np.cumsum(solved)[1:] / won.size
    return curve


def repeated_fraction(repeated: BoolArray, answered: BoolArray | None = None) -> float:
    """Return the share of questions that had been asked before, in [0, 1]; NaN without questions.

    Args:
        repeated: (S,) whether each question repeats an earlier one.
        answered: (S,) which questions count: all but those that whoever answers failed on; None for all.
    """
    counted = repeated if answered is None else repeated[answered]
    return float(counted.mean()) if counted.size else float("nan")


def interval_over_secrets(
    values: FloatArray | BoolArray, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """Return a mean over secrets with its bootstrap interval; secrets are resampled with all their games.

    Args:
        values: (m, n) outcomes, of which each secret's mean is taken, or (m,) one value a secret, such as its
            pass@k.
        level: coverage.
        resamples: number of bootstrap samples.
        seed: fixes them.
    """
    each = np.asarray(values, dtype=np.float64)
    return bootstrap_mean(each.reshape(len(each), -1).mean(axis=1), level=level, resamples=resamples, seed=seed)


def _outcomes(success: BoolArray) -> BoolArray:
    if success.ndim != 2 or success.size == 0:
        raise BatchError("Outcomes must be a table of at least one secret by at least one game.")
    return success.astype(np.bool_)
