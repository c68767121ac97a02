"""How well a table of credits agrees with exact advantages, per decision state, vectorised over all states.

Every metric takes (S, A) arrays and a mask of the entries to compare: the observed actions of the decision states
(at least two observed actions whose exact values differ). A state where the credit is constant has no opinion: rank
correlations count it as 0, sign accuracy as one half.
"""

from __future__ import annotations

import numpy as np

from credit_gym.data.grouping import BoolArray, FloatArray, IntArray, group_mean, group_size

FLAT = 1e-9  # differences below this are no difference


def decision_mask(exact: FloatArray, observed: BoolArray) -> BoolArray:
    """Return the observed entries of the decision states; (S, A) bool."""
    high = np.where(observed, exact, -np.inf).max(axis=1)
    low = np.where(observed, exact, np.inf).min(axis=1)
    decides = (observed.sum(axis=1) >= 2) & (np.where(observed.any(axis=1), high - low, 0.0) > FLAT)
    mask: BoolArray = observed & decides[:, None]
    return mask


def centre(credit: FloatArray, count: IntArray) -> FloatArray:
    """Subtract each state's count-weighted mean credit, as the policy gradient's baseline would; (S, A)."""
    weight = count / np.maximum(count.sum(axis=1, keepdims=True), 1)
    centred: FloatArray = credit - (weight * np.where(count > 0, credit, 0.0)).sum(axis=1, keepdims=True)
    return centred


def _signs(values: FloatArray) -> FloatArray:
    """(S, A) -> (S, A, A) sign of each difference, 0 within ``FLAT`` of the state's largest magnitude."""
    gap = values[:, :, None] - values[:, None, :]
    scale = np.maximum(np.abs(values).max(axis=1), 1.0)[:, None, None]
    return np.where(np.abs(gap) <= FLAT * scale, 0.0, np.sign(gap))


def spearman(credit: FloatArray, exact: FloatArray, mask: BoolArray) -> FloatArray:
    """Spearman's rank correlation (average ranks) of each state; (S,), 0 where either side is constant.

    That of :func:`credit_gym.metrics.statistics.spearman` for all states at once, but for values that differ by less
    than ``FLAT``: they are tied here, so that rounding is no opinion.
    """
    size = np.maximum(mask.sum(axis=1), 1)

    def ranks(values: FloatArray) -> FloatArray:
        rank = (_signs(np.where(mask, values, 0.0)) * mask[:, None, :]).sum(axis=2) / 2
        return np.where(mask, rank - (np.where(mask, rank, 0.0).sum(axis=1) / size)[:, None], 0.0)

    a, b = ranks(credit), ranks(exact)
    norm = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    correlation: FloatArray = np.divide((a * b).sum(axis=1), norm, out=np.zeros(len(a)), where=norm > 0)
    return correlation


def kendall(credit: FloatArray, exact: FloatArray, mask: BoolArray) -> FloatArray:
    """Kendall's tau-b of each state; (S,), 0 where either side is constant."""
    pairs = mask[:, :, None] & mask[:, None, :]
    a = np.where(pairs, _signs(np.where(mask, credit, 0.0)), 0.0)
    b = np.where(pairs, _signs(np.where(mask, exact, 0.0)), 0.0)
    norm = np.sqrt((a * a).sum(axis=(1, 2)) * (b * b).sum(axis=(1, 2)))
    tau: FloatArray = np.divide((a * b).sum(axis=(1, 2)), norm, out=np.zeros(len(a)), where=norm > 0)
    return tau


def sign_accuracy(credit: FloatArray, exact: FloatArray, mask: BoolArray) -> FloatArray:
    """Share of |exact| whose sign the centred credit has, a zero credit counting one half; (S,)."""
    weight = np.where(mask, np.abs(exact), 0.0)
    credit = np.where(np.abs(credit) <= FLAT, 0.0, credit)
    right = np.where(credit == 0, 0.5, (np.sign(credit) == np.sign(exact)).astype(np.float64))
    total = weight.sum(axis=1)
    share: FloatArray = np.divide((weight * right).sum(axis=1), total, out=np.full(len(total), 0.5), where=total > 0)
    return share


def best(values: FloatArray, mask: BoolArray) -> BoolArray:
    """Return the masked entries within ``FLAT`` (relative) of each state's largest; (S, A) bool."""
    top = np.where(mask, values, -np.inf).max(axis=1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    return np.asarray(mask & (values >= top - FLAT * np.maximum(np.abs(top), 1.0)), dtype=np.bool_)


def top1(credit: FloatArray, exact: FloatArray, mask: BoolArray) -> FloatArray:
    """Probability that the credit's argmax, ties broken evenly, is an exactly best observed action; (S,)."""
    chosen = best(credit, mask)
    return np.asarray((chosen & best(exact, mask)).sum(axis=1) / np.maximum(chosen.sum(axis=1), 1))


def loop_rate(credit: FloatArray, exact: FloatArray, mask: BoolArray, returning: BoolArray) -> FloatArray:
    """Probability that the credit's argmax is wrong and leads back (``returning``); (S,)."""
    chosen = best(credit, mask)
    wrong = chosen & ~best(exact, mask) & returning
    return np.asarray(wrong.sum(axis=1) / np.maximum(chosen.sum(axis=1), 1))


def nrmse(credit: FloatArray, exact: FloatArray, mask: BoolArray, owner: IntArray, owners: int) -> FloatArray:
    """Scale-free error ``min_c ||A - c x|| / ||A||`` over all masked entries of each owner (task); (owners,).

    Args:
        credit: (S, A) centred credit x.
        exact: (S, A) exact advantage A.
        mask: (S, A) entries to compare.
        owner: (S,) task of each state.
        owners: number of tasks; a task without entries gives NaN.
    """
    x, a = np.where(mask, credit, 0.0), np.where(mask, exact, 0.0)
    xx, xa, aa = (
        np.bincount(owner, weights=(u * w).sum(axis=1), minlength=owners) for u, w in ((x, x), (x, a), (a, a))
    )
    explained = np.divide(xa * xa, xx, out=np.zeros(owners), where=xx > 0)
    error: FloatArray = np.sqrt(
        np.maximum(np.divide(aa - explained, aa, out=np.full(owners, np.nan), where=aa > 0), 0.0)
    )
    return error


def bias_variance(credits: FloatArray, exact: FloatArray, mask: BoolArray) -> tuple[float, float]:
    """Relative bias^2 and variance of a credit table over replicate batches, at the best common scale.

    ``bias^2 = ||c mean_r x_r - A||^2 / ||A||^2`` and ``variance = mean_r ||c (x_r - mean_r x_r)||^2 / ||A||^2`` with
    ``c = argmin sum_r ||c x_r - A||^2``.

    Args:
        credits: (R, S, A) centred credit tables of R replicates.
        exact: (S, A) exact advantages.
        mask: (S, A) entries observed in every replicate.
    """
    x, a = credits[:, mask], exact[mask]
    energy, power = float((a * a).sum()), float((x * x).sum())
    if energy == 0.0 or power == 0.0:
        return (1.0 if energy else 0.0), 0.0
    scaled = x * (float((x @ a).sum()) / power)
    mean = scaled.mean(axis=0)
    return float(((mean - a) ** 2).sum()) / energy, float(((scaled - mean) ** 2).sum(axis=1).mean()) / energy


def differentiated(credit: FloatArray, observed: BoolArray, threshold: float = 0.01) -> BoolArray:
    """Return which states with two observed actions or more have mean credits further apart than a threshold; (S,)."""
    high = np.where(observed, credit, -np.inf).max(axis=1)
    low = np.where(observed, credit, np.inf).min(axis=1)
    span = np.where(observed.any(axis=1), high - low, 0.0)
    return np.asarray((observed.sum(axis=1) >= 2) & (span > threshold), dtype=np.bool_)


def by_owner(values: FloatArray, keep: BoolArray, owner: IntArray, owners: int) -> FloatArray:
    """Mean of the kept states' values in each task, NaN in a task that keeps none; (owners,)."""
    mean = group_mean(values[keep], owner[keep], owners)
    return np.where(group_size(owner[keep], owners) > 0, mean, np.nan)
