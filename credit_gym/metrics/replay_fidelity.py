"""What replays say about a credit: how well it agrees with independent replays, its reliability, and its noise.

All functions are pure and take :class:`~credit_gym.metrics.bucket.Bucket`; intervals resample questions, because the
buckets of one question are not independent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from credit_gym.data.grouping import FloatArray
from credit_gym.metrics.bucket import Bucket
from credit_gym.metrics.statistics import Estimate, bootstrap, spearman


def leave_one_out(values: FloatArray, counts: FloatArray | None = None, *, upstream: bool = False) -> FloatArray:
    """Value minus the mean value of the other draws.

    ``A_j = v_j - (sum_i w_i v_i - v_j) / (sum_i w_i - 1)``: action j was drawn w_j times, and one of those draws is set
    aside, not all: the others are independent draws from the policy whatever they are.

    Args:
        values: (n,) mean return of each (distinct) action.
        counts: (n,) how often each was drawn; 1 each if None.
        upstream: set aside all w_j, as the published analysis does. Its mean then leaves out the action itself, so that
            it is biased wherever an action can be drawn twice. Counts that are no weights become equal ones.

    Returns:
        (n,) float64; 0 where nothing is left to compare with.
    """
    counts = np.ones_like(values) if counts is None else np.asarray(counts, dtype=np.float64)
    if upstream and (not np.isfinite(counts).all() or counts.min(initial=0.0) < 0.0 or not counts.any()):
        counts = np.ones_like(values)
    aside = counts if upstream else np.minimum(counts, 1.0)
    left = counts.sum() - aside
    others = np.divide((counts * values).sum() - aside * values, left, out=values.copy(), where=left > 0.0)
    return np.asarray(values - others)


def mean_centred(values: FloatArray) -> FloatArray:
    """Value minus the mean of all draws, the own one included: ``(n - 1) / n`` of :func:`leave_one_out`."""
    return np.asarray(values - values.mean())


ESTIMATORS: dict[str, Callable[[FloatArray], FloatArray]] = {"loo": leave_one_out, "mean": mean_centred}
"""Credit of the draws of a bucket from their values."""


def within_context_variance(buckets: Sequence[Bucket], estimator: str = "loo") -> FloatArray:
    """Population variance of the credit over the draws of each bucket; (B,). Compare estimators on equal buckets only.

    "loo" is ``(n / (n - 1))^2`` times "mean": a scale, not an estimator's merit.
    """
    return np.array([np.var(ESTIMATORS[estimator](bucket.values)) for bucket in buckets])


def slope(credit: FloatArray, truth: FloatArray) -> float:
    """Least-squares slope through the origin of the credit on the truth: 1 if the credit's scale is unbiased."""
    power = float(truth @ truth)
    return float(credit @ truth) / power if power > 0.0 else float("nan")


def error(credit: FloatArray, truth: FloatArray) -> float:
    """Root mean squared error over the root mean square of the truth; a credit of 0 throughout has 1."""
    power = float(truth @ truth)
    return float(np.sqrt(((credit - truth) ** 2).sum() / power)) if power > 0.0 else float("nan")


def nrmse(credit: FloatArray, truth: FloatArray) -> float:
    """:func:`error` at the credit's best scale: ``min_c ||truth - c credit|| / ||truth||``, in [0, 1]."""
    power = float(truth @ truth)
    own = float(credit @ credit)
    explained = float(credit @ truth) ** 2 / own if own > 0.0 else 0.0
    return float(np.sqrt(max(power - explained, 0.0) / power)) if power > 0.0 else float("nan")


def fidelity_to_replay(
    buckets: Sequence[Bucket], replays: int, estimator: str = "loo"
) -> tuple[FloatArray, FloatArray]:
    """Return a credit from the first replays of every draw and the truth from the others, which are independent of it.

    A truth made from the replays that the credit itself came from would agree with it by construction: leave-one-out is
    an affine function of it.

    Args:
        buckets: each with more than ``replays`` replays a draw; the others are left out.
        replays: c of the credit.
        estimator: one of :data:`ESTIMATORS`.

    Returns:
        credit, truth: (M,) over all draws of all buckets; the truth is the value less the mean over the draws.
    """
    used = [bucket for bucket in buckets if bucket.table.shape[1] > replays]
    credit = [ESTIMATORS[estimator](bucket.part(slice(0, replays)).values) for bucket in used]
    truth = [mean_centred(bucket.part(slice(replays, None)).values) for bucket in used]
    return np.concatenate([np.zeros(0), *credit]), np.concatenate([np.zeros(0), *truth])


def split_half_reliability(buckets: Sequence[Bucket]) -> FloatArray:
    """Spearman correlation of the credits from even and from odd replays; (B,).

    NaN for a bucket with fewer than three draws or two replays, or where a half tells no draws apart.
    """
    found = []
    for bucket in buckets:
        draws, replays = bucket.table.shape
        even, odd = (bucket.table[:, half::2] for half in (0, 1))
        enough = draws >= 3 and replays >= 2
        found.append(spearman(even.mean(axis=1), odd.mean(axis=1)) if enough else float("nan"))
    return np.array(found)


def noise_law(buckets: Sequence[Bucket]) -> tuple[FloatArray, FloatArray]:
    """Return the noise of leave-one-out credit as measured and as predicted; (B,) each.

    Even and odd replays give two credits A1, A2 of the same draws, from c replays each. Measured: mean over draws of
    ``(A1 - A2)^2 / 2``. Predicted: ``s^2 / c * n / (n - 1)``, s^2 the mean sample variance of a draw's returns. Both
    are unbiased for ``Var(A | draws)``, so their means over buckets agree.

    NaN for a bucket with fewer than two draws or two replays.
    """
    measured, predicted = [], []
    for bucket in buckets:
        table = bucket.table[:, : bucket.table.shape[1] // 2 * 2]
        draws, replays = table.shape
        if draws < 2 or replays < 2:
            measured.append(float("nan"))
            predicted.append(float("nan"))
            continue
        gap = leave_one_out(table[:, ::2].mean(axis=1)) - leave_one_out(table[:, 1::2].mean(axis=1))
        measured.append(float((gap**2).mean() / 2))
        predicted.append(float(table.var(axis=1, ddof=1).mean() / (replays // 2) * draws / (draws - 1)))
    return np.array(measured), np.array(predicted)


def mean_over_questions(
    values: FloatArray, buckets: Sequence[Bucket], *, resamples: int = 1000, seed: int = 0
) -> Estimate:
    """Mean of one value per bucket, NaN left out, with its bootstrap interval over questions."""
    known = np.flatnonzero(np.isfinite(values))
    questions = [bucket.question for bucket, value in zip(buckets, values, strict=True) if np.isfinite(value)]
    return bootstrap(lambda rows: float(values[known][rows].mean()), questions, resamples=resamples, seed=seed)
