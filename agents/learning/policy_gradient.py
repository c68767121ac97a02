"""The softmax policy gradient as two pure functions, shared by the text-level agent and the vectorised trainer."""

from __future__ import annotations

import numpy as np

from credit_gym.data.grouping import BoolArray, FloatArray, IntArray


def softmax(logits: FloatArray, admissible: BoolArray) -> FloatArray:
    """Return the policy of some logits.

    Args:
        logits: (S, A) float64; values at inadmissible slots are ignored.
        admissible: (S, A) bool.

    Returns:
        (S, A) probabilities: each row sums to 1, or to 0 where nothing is admissible.
    """
    masked = np.where(admissible, logits, -np.inf)
    top = masked.max(axis=1, keepdims=True, initial=-np.inf)
    weights = np.exp(masked - np.where(np.isfinite(top), top, 0.0))
    total = weights.sum(axis=1, keepdims=True)
    policy: FloatArray = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0.0)
    return policy


def softmax_gradient_step(
    logits: FloatArray, admissible: BoolArray, state: IntArray, action: IntArray, credit: FloatArray, lr: float
) -> FloatArray:
    """Take one step of the policy gradient with a credit in the place of the return.

    ``logits[s, b] += lr * sum_{i: s_i = s} credit_i * (1[a_i = b] - pi(b | s))``: Williams (1992), "Simple statistical
    gradient-following algorithms", equation 4, for a softmax. The sum is over steps, so the caller divides the credit
    by the number of episodes for a mean. No baseline is subtracted here: a credit that is not centred is one without a
    baseline, and centring it over the batch (what the trainers do) is the usual one.

    Args:
        logits: (S, A) float64.
        admissible: (S, A) bool.
        state: (M,) int64 state of each step.
        action: (M,) int64 slot of each step, admissible in its state.
        credit: (M,) float64.
        lr: learning rate, logits per unit of credit.

    Returns:
        (S, A) new logits; inadmissible slots keep their value.
    """
    states, slots = logits.shape
    pushed = np.bincount(state * slots + action, weights=credit, minlength=states * slots).reshape(states, slots)
    step: FloatArray = pushed - pushed.sum(axis=1, keepdims=True) * softmax(logits, admissible)
    return logits + lr * step
