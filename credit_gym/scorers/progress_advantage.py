"""Training-free step scores from token log-probabilities: progress advantage, and the confidence scores beside it.

``c_t = beta * g(log pi(y_j) - log pi_ref(y_j))`` over the tokens j of the step (Progress Advantage 2026,
arXiv:2606.26080), g a mean, minimum, quantile; self-certainty is that of Kang et al. (2025, arXiv:2502.18581).

For all of them a token's log-probability is at least -103.3 nats
(:data:`~credit_gym.estimation.token_scores.LOG_FLOOR`), -inf included. A step without tokens, or with a missing one,
has no score: it gets the mean of the scored steps of its group, of the batch where the group has none
(:func:`~credit_gym.estimation.token_scores.complete`), so that it is neither the best nor the worst.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray
from credit_gym.estimation.modes import Mode, is_upstream
from credit_gym.estimation.token_scores import LOG_FLOOR, Aggregation, aggregate_tokens, complete, token_column
from credit_gym.scorers.registry import register

AggregationOrder = Literal["ratio_first", "model_first"]

_REFERENCE = "Progress Advantage 2026, arXiv:2606.26080"


@register("progress_advantage", needs={"policy_logprob", "reference_logprob"}, reference=_REFERENCE)
def progress_advantage(
    batch: EpisodeBatch,
    *,
    tokens: Aggregation = "mean",
    beta: float = 1.0,
    agg_order: AggregationOrder = "ratio_first",
    mode: Mode = "default",
) -> FloatArray:
    """A step gets the log-ratio of policy to reference over its action tokens.

    ``c_t = beta * g(log pi(y_j) - log pi_ref(y_j))``, g over the tokens j of the step. For the soft-optimal policy of a
    KL-regularised problem this is the advantage (proposition 1). Its mean under the policy is ``beta KL >= 0``, not 0,
    so sums drift upward with length; :func:`progress_advantage_centred` takes that drift out.

    Fails on a policy's own games: it told won games from lost ones worse than chance, in both recipes that were
    measured (``docs/progress_advantage.md``).

    Args:
        batch: the episodes, with log-probabilities under both models.
        tokens: g, a key of :data:`credit_gym.estimation.token_scores.AGGREGATIONS`.
        beta: scale of the KL penalty.
        agg_order: "ratio_first", or "model_first": ``g(log pi) - g(log pi_ref)``. They agree for linear g; "min" and
            "max" of each model alone compare different tokens.
        mode: "upstream" is "model_first", and gives 0 to a step without tokens or with missing ones, as published.

    Returns:
        (S,) float64, nats (times tokens for "sum").
    """
    policy, reference = token_column(batch, "policy_logprob"), token_column(batch, "reference_logprob")
    if agg_order == "model_first" or is_upstream(mode):
        ratio = _steps(batch, policy, tokens) - _steps(batch, reference, tokens)
    else:
        ratio = _steps(batch, policy - reference, tokens)
    return np.asarray(beta * (np.nan_to_num(ratio) if is_upstream(mode) else complete(batch, ratio)))


@register(
    "progress_advantage_centred",
    needs={"policy_logprob", "reference_logprob", "policy_kl"},
    reference="credit_gym: progress advantage less its mean under the policy",
)
def progress_advantage_centred(batch: EpisodeBatch, *, tokens: Aggregation = "mean", beta: float = 1.0) -> FloatArray:
    """A step gets the log-ratio of its tokens minus what the policy would have scored there on average.

    ``c_t = beta * g(log pi(y_j) - log pi_ref(y_j) - KL(pi || pi_ref)(s_j))``: zero in the mean under the policy.

    Args:
        batch: the episodes, with both log-probabilities and the divergence at every token.
        tokens: g, a key of :data:`credit_gym.estimation.token_scores.AGGREGATIONS`.
        beta: scale of the KL penalty.

    Returns:
        (S,) float64, nats.
    """
    ratio = token_column(batch, "policy_logprob") - token_column(batch, "reference_logprob")
    surplus = ratio - token_column(batch, "policy_kl", most=-LOG_FLOOR)
    return np.asarray(beta * complete(batch, _steps(batch, surplus, tokens)))


@register("self_certainty", needs={"policy_top_logprob"}, reference="Kang et al. 2025, arXiv:2502.18581")
def self_certainty(batch: EpisodeBatch, *, tokens: Aggregation = "mean", mode: Mode = "default") -> FloatArray:
    """A step gets the policy's confidence over its action tokens, the peakedness of its distributions.

    ``c_t = g(-(1/k) sum_{j<=k} log pi_(j))`` over the k largest log-probabilities at each token: DeepConf's token
    confidence (Fu et al. 2025, arXiv:2508.15260), and self-certainty cut to the top k.

    Args:
        batch: the episodes, with the mean of the largest log-probabilities at every token.
        tokens: g, a key of :data:`credit_gym.estimation.token_scores.AGGREGATIONS`.
        mode: "upstream" leaves out the minus sign, as progress-advantage's code does: confident steps score low.

    Returns:
        (S,) float64, nats.
    """
    confidence = token_column(batch, "policy_top_logprob") * (1.0 if is_upstream(mode) else -1.0)
    return complete(batch, _steps(batch, confidence, tokens))


@register("negative_entropy", needs={"policy_entropy"}, reference="a baseline of arXiv:2606.26080")
def negative_entropy(batch: EpisodeBatch, *, tokens: Aggregation = "mean") -> FloatArray:
    """A step gets minus the policy's entropy over its action tokens.

    ``c_t = g(-H_j)``.

    Args:
        batch: the episodes, with the entropy at every token.
        tokens: g, a key of :data:`credit_gym.estimation.token_scores.AGGREGATIONS`.

    Returns:
        (S,) float64, nats.
    """
    return complete(batch, _steps(batch, -token_column(batch, "policy_entropy", most=-LOG_FLOOR), tokens))


@register("policy_logprob", needs={"policy_logprob"}, reference="a baseline of arXiv:2606.26080")
def policy_logprob(batch: EpisodeBatch, *, tokens: Aggregation = "mean") -> FloatArray:
    """A step gets the log-probability of its action tokens.

    ``c_t = g(log pi(y_j))``.

    Args:
        batch: the episodes, with log-probabilities.
        tokens: g, a key of :data:`credit_gym.estimation.token_scores.AGGREGATIONS`.

    Returns:
        (S,) float64, nats.
    """
    return complete(batch, _steps(batch, token_column(batch, "policy_logprob"), tokens))


@register("reference_logprob", needs={"reference_logprob"}, reference="a baseline of arXiv:2606.26080")
def reference_logprob(batch: EpisodeBatch, *, tokens: Aggregation = "mean") -> FloatArray:
    """A step gets the log-probability of its action tokens under the reference.

    ``c_t = g(log pi_ref(y_j))``.

    Args:
        batch: the episodes, with log-probabilities under the reference.
        tokens: g, a key of :data:`credit_gym.estimation.token_scores.AGGREGATIONS`.

    Returns:
        (S,) float64, nats.
    """
    return complete(batch, _steps(batch, token_column(batch, "reference_logprob"), tokens))


@register("negative_perplexity", needs={"policy_logprob"}, reference="a baseline of arXiv:2606.26080")
def negative_perplexity(batch: EpisodeBatch) -> FloatArray:
    """A step gets minus the perplexity of its action tokens.

    ``c_t = -exp(-mean_j log pi(y_j))``.

    Args:
        batch: the episodes, with log-probabilities.

    Returns:
        (S,) float64, between -7e44 (every token at the floor) and -1.
    """
    mean = _steps(batch, token_column(batch, "policy_logprob"), "mean")
    return complete(batch, -np.exp(-mean))


@register("brevity", needs={"policy_logprob"}, reference="a length control")
def brevity(batch: EpisodeBatch) -> FloatArray:
    """A step gets minus the number of its action tokens.

    The control that every length-sensitive score must beat.

    Args:
        batch: the episodes, with log-probabilities.

    Returns:
        (S,) float64, tokens.
    """
    sizes: FloatArray = np.diff(batch.require("logprob_offsets")).astype(np.float64)
    return complete(batch, np.where(sizes > 0, -sizes, np.nan))


def _steps(batch: EpisodeBatch, values: FloatArray, how: str) -> FloatArray:
    return aggregate_tokens(values, batch.require("logprob_offsets"), how)
