"""Training-free step scores from token log-probabilities: progress advantage, and the confidence scores beside it.

``c_t = beta * g(log pi(y_j) - log pi_ref(y_j))`` over the tokens j of the step (Progress Advantage 2026,
arXiv:2606.26080), g a mean, minimum, quantile; self-certainty is that of Kang et al. (2025, arXiv:2502.18581).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray
from credit_gym.errors import unknown
from credit_gym.estimation.modes import Mode, is_upstream
from credit_gym.estimation.token_scores import aggregate_tokens
from credit_gym.scorers.registry import register

AggregationOrder = Literal["ratio_first", "model_first"]

_REFERENCE = "Progress Advantage 2026, arXiv:2606.26080"


@register("progress_advantage", needs={"policy_logprob", "reference_logprob"}, scope="episode", reference=_REFERENCE)
def progress_advantage(
    batch: EpisodeBatch,
    *,
    tokens: str = "mean",
    beta: float = 1.0,
    agg_order: AggregationOrder = "ratio_first",
    mode: Mode = "default",
) -> FloatArray:
    """A step gets the log-ratio of policy to reference over its action tokens.

    ``c_t = beta * g(log pi(y_j) - log pi_ref(y_j))``, g over the tokens j of the step. For the soft-optimal policy of a
    KL-regularised problem this is the advantage (proposition 1). Its mean under the policy is ``beta KL >= 0``, not 0,
    so sums drift upward with length; :func:`progress_advantage_centred` takes that drift out.

    Args:
        batch: the episodes, with log-probabilities under both models.
        tokens: g, a key of :data:`credit_gym.estimation.token_scores.AGGREGATIONS`.
        beta: scale of the KL penalty.
        agg_order: "ratio_first", or "model_first": ``g(log pi) - g(log pi_ref)``. They agree for linear g; "min" and
            "max" of each model alone compare different tokens.
        mode: "upstream" is "model_first".

    Returns:
        (S,) float64, nats (times tokens for "sum"); 0 for a step without tokens or with missing ones.

    Raises:
        UnknownNameError: there is no such aggregation or order.
    """
    if agg_order not in ("ratio_first", "model_first"):
        raise unknown("aggregation order", agg_order, ("ratio_first", "model_first"))
    policy, reference = _column(batch, "policy_logprob"), _column(batch, "reference_logprob")
    if agg_order == "model_first" or is_upstream(mode):
        ratio = _steps(batch, policy, tokens) - _steps(batch, reference, tokens)
    else:
        ratio = _steps(batch, policy - reference, tokens)
    return np.asarray(beta * np.nan_to_num(ratio))


@register(
    "progress_advantage_centred",
    needs={"policy_logprob", "reference_logprob", "policy_kl"},
    scope="episode",
    reference="credit_gym: progress advantage less its mean under the policy",
)
def progress_advantage_centred(batch: EpisodeBatch, *, tokens: str = "mean", beta: float = 1.0) -> FloatArray:
    """A step gets the log-ratio of its tokens minus what the policy would have scored there on average.

    ``c_t = beta * g(log pi(y_j) - log pi_ref(y_j) - KL(pi || pi_ref)(s_j))``: zero in the mean under the policy.

    Args:
        batch: the episodes, with both log-probabilities and the divergence at every token.
        tokens: g, a key of :data:`credit_gym.estimation.token_scores.AGGREGATIONS`.
        beta: scale of the KL penalty.

    Returns:
        (S,) float64, nats; 0 for a step without tokens or with missing ones.
    """
    ratio = _column(batch, "policy_logprob") - _column(batch, "reference_logprob") - _column(batch, "policy_kl")
    return np.asarray(beta * np.nan_to_num(_steps(batch, ratio, tokens)))


@register(
    "self_certainty", needs={"policy_top_logprob"}, scope="episode", reference="Kang et al. 2025, arXiv:2502.18581"
)
def self_certainty(batch: EpisodeBatch, *, tokens: str = "mean", mode: Mode = "default") -> FloatArray:
    """A step gets the policy's confidence over its action tokens, the peakedness of its distributions.

    ``c_t = g(-(1/k) sum_{j<=k} log pi_(j))`` over the k largest log-probabilities at each token: DeepConf's token
    confidence (Fu et al. 2025, arXiv:2508.15260), and self-certainty cut to the top k.

    Args:
        batch: the episodes, with the mean of the largest log-probabilities at every token.
        tokens: g, a key of :data:`credit_gym.estimation.token_scores.AGGREGATIONS`.
        mode: "upstream" leaves out the minus sign, as progress-advantage's code does: confident steps score low.

    Returns:
        (S,) float64, nats; 0 for a step without tokens or with missing ones.
    """
    confidence = _column(batch, "policy_top_logprob") * (1.0 if is_upstream(mode) else -1.0)
    return np.nan_to_num(_steps(batch, confidence, tokens))


@register("negative_entropy", needs={"policy_entropy"}, scope="episode", reference="a baseline of arXiv:2606.26080")
def negative_entropy(batch: EpisodeBatch, *, tokens: str = "mean") -> FloatArray:
    """A step gets minus the policy's entropy over its action tokens.

    ``c_t = g(-H_j)``.

    Args:
        batch: the episodes, with the entropy at every token.
        tokens: g, a key of :data:`credit_gym.estimation.token_scores.AGGREGATIONS`.

    Returns:
        (S,) float64, nats; 0 for a step without tokens or with missing ones.
    """
    return np.nan_to_num(_steps(batch, -_column(batch, "policy_entropy"), tokens))


@register("policy_logprob", needs={"policy_logprob"}, scope="episode", reference="a baseline of arXiv:2606.26080")
def policy_logprob(batch: EpisodeBatch, *, tokens: str = "mean") -> FloatArray:
    """A step gets the log-probability of its action tokens.

    ``c_t = g(log pi(y_j))``.

    Args:
        batch: the episodes, with log-probabilities.
        tokens: g, a key of :data:`credit_gym.estimation.token_scores.AGGREGATIONS`.

    Returns:
        (S,) float64, nats; 0 for a step without tokens or with missing ones.
    """
    return np.nan_to_num(_steps(batch, _column(batch, "policy_logprob"), tokens))


@register("reference_logprob", needs={"reference_logprob"}, scope="episode", reference="a baseline of arXiv:2606.26080")
def reference_logprob(batch: EpisodeBatch, *, tokens: str = "mean") -> FloatArray:
    """A step gets the log-probability of its action tokens under the reference.

    ``c_t = g(log pi_ref(y_j))``.

    Args:
        batch: the episodes, with log-probabilities under the reference.
        tokens: g, a key of :data:`credit_gym.estimation.token_scores.AGGREGATIONS`.

    Returns:
        (S,) float64, nats; 0 for a step without tokens or with missing ones.
    """
    return np.nan_to_num(_steps(batch, _column(batch, "reference_logprob"), tokens))


@register("negative_perplexity", needs={"policy_logprob"}, scope="episode", reference="a baseline of arXiv:2606.26080")
def negative_perplexity(batch: EpisodeBatch) -> FloatArray:
    """A step gets minus the perplexity of its action tokens.

    ``c_t = -exp(-mean_j log pi(y_j))``.

    Args:
        batch: the episodes, with log-probabilities.

    Returns:
        (S,) float64, at most -1; 0 for a step without tokens or with missing ones.
    """
    mean = _steps(batch, _column(batch, "policy_logprob"), "mean")
    return np.asarray(np.nan_to_num(-np.exp(-mean)))


@register("brevity", needs={"policy_logprob"}, scope="episode", reference="a length control")
def brevity(batch: EpisodeBatch) -> FloatArray:
    """A step gets minus the number of its action tokens.

    The control that every length-sensitive score must beat.

    Args:
        batch: the episodes, with log-probabilities.

    Returns:
        (S,) float64, tokens.
    """
    sizes: FloatArray = np.diff(_offsets(batch)).astype(np.float64)
    return -sizes


def _column(batch: EpisodeBatch, name: str) -> FloatArray:
    column: FloatArray = np.asarray(batch.require(name), dtype=np.float64)
    return column


def _offsets(batch: EpisodeBatch) -> Any:
    return batch.require("logprob_offsets")


def _steps(batch: EpisodeBatch, values: FloatArray, how: str) -> FloatArray:
    return aggregate_tokens(values, _offsets(batch), how)
