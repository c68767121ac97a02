"""One value per message from the token scores of a policy and its reference: progress advantage and its rivals."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from credit_gym.agents.likelihood.logprobs import TokenScores
from credit_gym.data.grouping import BoolArray, FloatArray
from credit_gym.errors import CreditGymError, unknown
from credit_gym.estimation.token_scores import aggregate_tokens


class MessageScores(NamedTuple):
    """What one or two models say of the messages of some transcripts, flat over messages.

    Attributes:
        policy: scores of the policy, one span per message.
        reference: scores of the reference, None without one; its tokens may be others.
        action: (M,) whether each message is an action.
    """

    policy: TokenScores
    reference: TokenScores | None
    action: BoolArray


def message_scores(method: str, scores: MessageScores, *, tokens: str = "mean", upstream: bool = False) -> FloatArray:
    """Return one value per message.

    Token ratios are taken first if both models cut the text into the same tokens, else per message. ``upstream``
    aggregates each model first, gives actions without tokens 0 (certainties leave them out) and has the published sign
    of certainty turned round.

    Args:
        method: a key of :data:`METHODS`.
        scores: of the models.
        tokens: a key of :data:`credit_gym.estimation.token_scores.AGGREGATIONS`.
        upstream: as progress-advantage's code computes it.

    Returns:
        (M,) float64, NaN for messages that are no actions and for actions without a reading.

    Raises:
        UnknownNameError: there is no such method or aggregation.
        CreditGymError: the method needs a reference.
    """
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    values = METHODS[method](scores, tokens, upstream)
    return np.where(scores.action, values, np.nan)


def _advantage(scores: MessageScores, tokens: str, upstream: bool) -> FloatArray:
    policy, reference = scores.policy, _reference(scores)
    same = np.array_equal(policy.offsets, reference.offsets)
    if same and not upstream:
        ratio = policy.logprob.astype(np.float64) - reference.logprob
        return aggregate_tokens(ratio, policy.offsets, tokens)
    return _logprob(policy, tokens, upstream) - _logprob(reference, tokens, upstream)


def _certainty(scores: MessageScores, tokens: str, upstream: bool) -> FloatArray:
    sign = 1.0 if upstream else -1.0
    return aggregate_tokens(sign * scores.policy.top_k_mean.astype(np.float64), scores.policy.offsets, tokens)


def _negative_entropy(scores: MessageScores, tokens: str, upstream: bool) -> FloatArray:
    return aggregate_tokens(-scores.policy.entropy.astype(np.float64), scores.policy.offsets, tokens)


METHODS: dict[str, Callable[[MessageScores, str, bool], FloatArray]] = {
    "progress_advantage": _advantage,
    "policy_logprob": lambda scores, tokens, upstream: _logprob(scores.policy, tokens, upstream),
    "reference_logprob": lambda scores, tokens, upstream: _logprob(_reference(scores), tokens, upstream),
    "self_certainty": _certainty,
    "negative_entropy": _negative_entropy,
}


def _logprob(scores: TokenScores, tokens: str, upstream: bool) -> FloatArray:
    values = aggregate_tokens(scores.logprob.astype(np.float64), scores.offsets, tokens)
    return np.nan_to_num(values) if upstream else values


def _reference(scores: MessageScores) -> TokenScores:
    if scores.reference is None:
        raise CreditGymError("This score compares two models: give a reference.")
    return scores.reference
