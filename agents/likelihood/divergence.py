"""How far a policy's predictions lie from its reference's, exactly, at every scored token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from credit_gym.agents.likelihood.forest import TokenSequence
from credit_gym.agents.likelihood.language_model import LanguageModel
from credit_gym.agents.likelihood.passes import WHOLE, Limits, Share, chunks, passes
from credit_gym.agents.likelihood.score_cache import ScoreCache, Table
from credit_gym.errors import CreditGymError

Diverge: TypeAlias = Callable[[LanguageModel, LanguageModel, Sequence[TokenSequence], Limits], list[Table]]
"""Computes the divergence of a policy from a reference at the scored tokens of each of some sequences."""


def token_divergence(
    policy: LanguageModel,
    reference: LanguageModel,
    sequences: Sequence[TokenSequence],
    *,
    limits: Limits | None = None,
    cache: ScoreCache | None = None,
    compute: Diverge | None = None,
) -> npt.NDArray[np.float32]:
    """Return the divergence of policy from reference where scored tokens are predicted.

    ``KL(policy(. | s) || reference(. | s)) = sum_a policy(a | s) (log policy(a | s) - log reference(a | s))`` over the
    whole vocabulary. The two models are never loaded together: of the policy only its states at these tokens and its
    head are kept.

    Args:
        policy: the model whose probabilities weigh.
        reference: a model with the same vocabulary.
        sequences: as for :func:`~credit_gym.agents.likelihood.logprobs.score_tokens`.
        limits: memory and length.
        cache: where results are kept and looked up by content.
        compute: computes what is not in the cache; by default this process does.

    Returns:
        (L,) float32 nats for each token of each span, NaN where there is no prediction; 0 for equal models.

    Raises:
        CreditGymError: the vocabularies differ in size, or a token id lies outside them.
        BackendError: a model cannot be loaded, or a sequence is longer than its positions.
    """
    limits = limits or Limits()

    def missing(indices: Sequence[int]) -> list[Table]:
        return (compute or divergence)(policy, reference, [sequences[index] for index in indices], limits)

    if cache is None:
        tables = missing(range(len(sequences)))
    else:
        pair = policy.identity + reference.identity
        keys = [cache.key(pair, "divergence", limits.max_tokens, each.ids, each.spans) for each in sequences]
        tables = cache.fetch(keys, missing)
    return np.concatenate([np.zeros(0, dtype=np.float32), *tables])


def divergence(
    policy: LanguageModel,
    reference: LanguageModel,
    sequences: Sequence[TokenSequence],
    limits: Limits,
    share: Share = WHOLE,
    kept: Share | None = None,
) -> list[Table]:
    """Return the divergence at the scored tokens of each sequence.

    Args:
        policy: the model whose probabilities weigh.
        reference: a model with the same vocabulary.
        sequences: what is scored.
        limits: memory and length.
        share: which of the reference's passes are computed; what the others would have given stays NaN.
        kept: which of the policy's passes are; by default the same ones, which predict the same tokens where both
            models have one architecture, and all if they do not.
    """
    sizes = [each.positions.size for each in sequences]
    head, vocabulary = policy.network.head, policy.network.vocabulary
    states: list[torch.Tensor] = []
    place = np.full(sum(sizes), -1, dtype=np.int64)
    for one in passes(policy.network, sequences, limits, kept or share):
        place[one.slots] = sum(map(len, states)) + np.arange(one.slots.size)
        states.append(one.states[torch.from_numpy(one.places).to(one.states.device)].cpu())
    if reference.network.vocabulary != vocabulary:
        raise CreditGymError(
            f"The policy knows {vocabulary:,} tokens and the reference {reference.network.vocabulary:,}; a divergence "
            "needs the same ones."
        )
    known = torch.cat(states) if states else torch.zeros(0)
    result = np.full(sum(sizes), np.nan, dtype=np.float32)
    for one in passes(reference.network, sequences, limits, share):
        if (place[one.slots] < 0).any():
            return divergence(policy, reference, sequences, limits, share, WHOLE)
        for rows, row_of, here in chunks(one.places, limits.rows(reference.network)):
            first = here[np.unique(row_of, return_index=True)[1]]  # any token that the row predicts
            mine = known[torch.from_numpy(place[one.slots[first]])].to(one.states.device)
            theirs = one.states[torch.from_numpy(rows).to(one.states.device)]
            with torch.inference_mode():
                logs = head(mine).log_softmax(-1)
                ratio = logs - reference.network.head(theirs).log_softmax(-1)
                result[one.slots[here]] = (logs.exp_() * ratio).nansum(-1).cpu().numpy()[row_of]
    return np.split(result, np.cumsum(sizes)[:-1])
