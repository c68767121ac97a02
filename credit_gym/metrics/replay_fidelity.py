"""What replays say about a credit: its fidelity, its reliability, its noise, and how far one message moves the next.

A :class:`Bucket` is one context with the actions that were drawn there and the returns that followed each of them. All
functions are pure; intervals come from :func:`cluster_bootstrap`, which resamples questions, because the buckets of one
question are not independent.

How a whole replay tree lies in an :class:`~credit_gym.data.batch.EpisodeBatch`, which is what scorers see, is written
down in :mod:`credit_gym.estimation.siblings`; :func:`check_product_tree` checks it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import stats

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, IntArray
from credit_gym.errors import BatchError
from credit_gym.estimation.siblings import siblings


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """One context and what followed each action drawn in it.

    Attributes:
        question: the question it belongs to; buckets of one question are one cluster.
        context: id of the context.
        step: number of actions taken before.
        role: whose turn it is, empty if there are no roles.
        state_key: hash of the true state.
        actions: (n,) the draws, equal ones included.
        returns: n tuples of returns to come, one per replay.
        answers: n tuples of what the next role said in each replay, as the symbol that influence is measured on.
    """

    question: str
    context: str
    step: int = 0
    role: str = ""
    state_key: str = ""
    actions: tuple[str, ...]
    returns: tuple[tuple[float, ...], ...]
    answers: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        if len(self.actions) != len(self.returns) or not all(self.returns):
            raise BatchError(f"Bucket {self.context!r} must have at least one return for each of its actions.")
        if not all(np.isfinite(row).all() for row in self.returns):
            raise BatchError(f"Bucket {self.context!r} holds a return that is not a finite number.")
        if self.answers and tuple(map(len, self.answers)) != tuple(map(len, self.returns)):
            raise BatchError(f"Bucket {self.context!r} must have one answer for each return, or none at all.")

    @property
    def values(self) -> FloatArray:
        """(n,) mean return of each draw."""
        return np.array([np.mean(row) for row in self.returns])

    @property
    def table(self) -> FloatArray:
        """(n, c) returns, cut to the smallest number of replays."""
        replays = min(map(len, self.returns), default=0)
        return np.array([row[:replays] for row in self.returns], dtype=np.float64).reshape(len(self.returns), replays)

    def part(self, replays: slice) -> Bucket:
        """Return the bucket with some of its replays, such as ``slice(0, None, 2)``."""
        return replace(
            self,
            returns=tuple(row[replays] for row in self.returns),
            answers=tuple(row[replays] for row in self.answers),
        )

    def first(self, draws: int) -> Bucket:
        """Return the bucket with its first draws only."""
        return replace(self, actions=self.actions[:draws], returns=self.returns[:draws], answers=self.answers[:draws])


class Estimate(NamedTuple):
    """A statistic with its interval."""

    value: float
    low: float
    high: float


class Influence(NamedTuple):
    """How far a message moves the next role's answer.

    Attributes:
        value: mutual information of message and answer, corrected for bias, nats; it may be negative.
        plug_in: the uncorrected estimate.
        null_mean: mean of the corrected estimate when answers are shuffled over messages.
        null_high: its 95th percentile.
        p_value: share of shuffles, the data included, that reach the data's estimate.
    """

    value: float
    plug_in: float
    null_mean: float
    null_high: float
    p_value: float


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


def spearman(credit: FloatArray, truth: FloatArray) -> float:
    """Spearman's rank correlation, average ranks; NaN where a side is constant (the published code says 0)."""
    if credit.size < 2 or np.ptp(credit) == 0.0 or np.ptp(truth) == 0.0:
        return float("nan")
    return float(stats.spearmanr(credit, truth).statistic)


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


def influence(bucket: Bucket, *, shuffles: int = 200, seed: int = 0) -> Influence:
    """Mutual information of message and next answer, bias-corrected, with what chance alone would give.

    Plug-in ``I = H(Y) - sum_j p_j H(Y | j)`` over the distinct messages j, each entropy corrected by Miller and Madow's
    ``(classes - 1) / (2 N)``. Answers are symbols: pass what was answered, not how it was worded, or every free text is
    a class of its own and the estimate measures nothing. The messages of the bucket are weighed as they were drawn; n
    draws spread less than the behaviour does: the mean over buckets is about (n - 1) / n of the behaviour's influence.

    Args:
        bucket: with ``answers``.
        shuffles: permutations of the answers over all replays.
        seed: of the shuffles.

    Raises:
        BatchError: the bucket has no answers.
    """
    if not bucket.answers:
        raise BatchError(f"Bucket {bucket.context!r} records no answers, so influence cannot be measured on it.")
    message = np.repeat(np.unique(bucket.actions, return_inverse=True)[1], [len(row) for row in bucket.answers])
    answer = np.unique([symbol for row in bucket.answers for symbol in row], return_inverse=True)[1]
    generator = np.random.default_rng(seed)
    plug_in, corrected = _information(message, answer)
    null = np.array([_information(message, generator.permutation(answer))[1] for _ in range(shuffles)])
    reached = int((null >= corrected - 1e-12).sum())
    return Influence(
        corrected, plug_in, float(null.mean()), float(np.quantile(null, 0.95)), (1 + reached) / (1 + shuffles)
    )


def duplicate_rate(bucket: Bucket, *, jaccard: float = 1.0) -> float:
    """Share of draws that repeat an earlier one.

    Args:
        bucket: the draws.
        jaccard: two texts are the same from this overlap of their sets of words on; 1 asks for equal texts.
    """
    words = [frozenset(action.split()) for action in bucket.actions]

    def same(i: int, j: int) -> bool:
        if jaccard >= 1.0:
            return bucket.actions[i] == bucket.actions[j]
        union = len(words[i] | words[j])
        return union == 0 or len(words[i] & words[j]) / union >= jaccard

    repeated = {j for i, j in combinations(range(len(words)), 2) if same(i, j)}
    return len(repeated) / max(len(words), 1)


def dead_rate(buckets: Sequence[Bucket]) -> float:
    """Share of buckets in which everything earned the same, so that every credit is 0; NaN without buckets."""
    dead = [np.ptp(np.concatenate([np.asarray(row) for row in bucket.returns])) == 0.0 for bucket in buckets]
    return float(np.mean(dead)) if dead else float("nan")


def cluster_bootstrap(
    statistic: Callable[[IntArray], float],
    clusters: Sequence[str] | IntArray,
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """Percentile bootstrap that resamples whole clusters (questions) with replacement.

    Args:
        statistic: of the chosen rows, given as indices (repeats included).
        clusters: (M,) the cluster of each row.
        level: of the interval.
        resamples: of the bootstrap; those where the statistic is NaN are left out.
        seed: of its draws.

    Returns:
        The statistic on all rows with its interval, NaN where there are no rows.
    """
    names, owner = np.unique(np.asarray(clusters), return_inverse=True)
    if not names.size:
        return Estimate(float("nan"), float("nan"), float("nan"))
    order = np.argsort(owner, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(owner))[:-1])
    generator = np.random.default_rng(seed)
    values = [
        statistic(np.concatenate([members[c] for c in generator.integers(0, names.size, names.size)]))
        for _ in range(resamples)
    ]
    known = np.array(values)[np.isfinite(values)]
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(known, [tail, 100.0 - tail]) if known.size else (float("nan"), float("nan"))
    return Estimate(statistic(np.arange(owner.size)), float(low), float(high))


def mean_over_questions(values: FloatArray, buckets: Sequence[Bucket], **options: int) -> Estimate:
    """Mean of one value per bucket, NaN left out, with its :func:`cluster_bootstrap` interval over questions."""
    known = np.flatnonzero(np.isfinite(values))
    questions = [bucket.question for bucket, value in zip(buckets, values, strict=True) if np.isfinite(value)]
    return cluster_bootstrap(lambda rows: float(values[known][rows].mean()), questions, **options)


def check_product_tree(batch: EpisodeBatch, fanout: Sequence[int]) -> None:
    """Check that every group is one product tree: ``fanout[d]`` plays in every context of depth d.

    Raises:
        MissingColumnError: there is no column ``parent``.
        BatchError: a context has another number of plays (a leaf is missing, or listed twice), a step lies deeper than
            the fan-out, or two plays claim to have led to one point.
    """
    parent: IntArray = batch.require("parent")
    tree = siblings(batch)
    if batch.num_steps and int(batch.step.max()) >= len(fanout):
        raise BatchError(f"A step lies at depth {batch.step.max()}, but the fan-out has {len(fanout)} depths.")
    wrong = np.flatnonzero(tree.size[tree.context] != np.asarray(fanout)[batch.step])
    if wrong.size:
        row = int(wrong[0])
        raise BatchError(
            f"The context of step {row} has {tree.size[tree.context[row]]:.0f} plays; "
            f"the fan-out asks for {fanout[batch.step[row]]} at depth {batch.step[row]}."
        )
    inner = np.flatnonzero(~batch.is_last)
    reached = np.stack([batch.step_group[inner], parent[inner + 1], tree.play[inner]], axis=1)
    distinct = np.unique(reached, axis=0)
    if len(np.unique(distinct[:, :2], axis=0)) != len(distinct):
        raise BatchError("Two plays lead to one point; points must be numbered uniquely within a group.")


def _information(message: IntArray, answer: IntArray) -> tuple[float, float]:
    """Plug-in and Miller-Madow mutual information of two label sequences, nats."""
    joint = np.zeros((int(message.max()) + 1, int(answer.max()) + 1))
    np.add.at(joint, (message, answer), 1.0)
    total = joint.sum()
    expected = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True) / total
    seen = joint > 0
    plug_in = float((joint[seen] * np.log(joint[seen] / expected[seen])).sum() / total)
    surplus = (seen.any(axis=0).sum() - 1) - (seen.sum(axis=1) - 1).sum()
    return plug_in, plug_in + float(surplus) / (2.0 * total)
