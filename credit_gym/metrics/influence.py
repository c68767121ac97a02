"""How far one message moves the next role's answer: mutual information, corrected for bias, beside what chance gives.

``I(message; answer) = H(answer) - sum_j p_j H(answer | j)``; the correction of each entropy is that of Miller (1955,
"Note on the bias of information estimates").
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from credit_gym.data.grouping import IntArray
from credit_gym.errors import BatchError
from credit_gym.metrics.bucket import Bucket


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
