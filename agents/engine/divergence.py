"""How far a policy's predictions lie from its reference's, exactly, at every scored token."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from credit_gym.agents.engine.forest import TokenSequence
from credit_gym.agents.engine.model import LanguageModel
from credit_gym.agents.engine.passes import Limits, chunks, passes
from credit_gym.agents.engine.score_cache import ScoreCache, Table
from credit_gym.errors import CreditGymError


def token_divergence(
    policy: LanguageModel,
    reference: LanguageModel,
    sequences: Sequence[TokenSequence],
    *,
    limits: Limits | None = None,
    cache: ScoreCache | None = None,
) -> npt.NDArray[np.float32]:
    """Return the divergence of policy from reference where scored tokens are predicted.

    ``KL(policy(. | s) || reference(. | s)) = sum_a policy(a | s) (log policy(a | s) - log reference(a | s))`` over the
    whole vocabulary. The two models are never loaded together: of the policy only its states at these tokens and its
    head are kept.

    Args:
        policy: the model whose probabilities weigh.
        reference: a model with the same vocabulary.
        sequences: as for :func:`~credit_gym.agents.engine.logprobs.score_tokens`.
        limits: memory and length.
        cache: where results are kept and looked up by content.

    Returns:
        (L,) float32 nats for each token of each span, NaN where there is no prediction; 0 for equal models.

    Raises:
        CreditGymError: the vocabularies differ in size, or a token id lies outside them.
        BackendError: a model cannot be loaded, or a sequence is longer than its positions.
    """
    limits = limits or Limits()

    def compute(missing: Sequence[int]) -> list[Table]:
        return _divergence(policy, reference, [sequences[index] for index in missing], limits)

    if cache is None:
        tables = compute(range(len(sequences)))
    else:
        pair = policy.identity + reference.identity
        keys = [cache.key(pair, "divergence", limits.max_tokens, each.ids, each.spans) for each in sequences]
        tables = cache.fetch(keys, compute)
    return np.concatenate([np.zeros(0, dtype=np.float32), *tables])


def _divergence(
    policy: LanguageModel, reference: LanguageModel, sequences: Sequence[TokenSequence], limits: Limits
) -> list[Table]:
    sizes = [each.positions.size for each in sequences]
    head, vocabulary = policy.network.head, policy.network.vocabulary
    states: list[torch.Tensor] = []
    place = np.zeros(sum(sizes), dtype=np.int64)
    for one in passes(policy.network, sequences, limits):
        place[one.slots] = sum(map(len, states)) + np.arange(one.slots.size)
        states.append(one.states[torch.from_numpy(one.places).to(one.states.device)].cpu())
    if reference.network.vocabulary != vocabulary:
        raise CreditGymError(
            f"The policy knows {vocabulary:,} tokens and the reference {reference.network.vocabulary:,}; a divergence "
            "needs the same ones."
        )
    kept = torch.cat(states) if states else torch.zeros(0)
    result = np.full(sum(sizes), np.nan, dtype=np.float32)
    for one in passes(reference.network, sequences, limits):
        for rows, row_of, here in chunks(one.places, limits.rows(reference.network)):
            first = here[np.unique(row_of, return_index=True)[1]]  # any token that the row predicts
            mine = kept[torch.from_numpy(place[one.slots[first]])].to(one.states.device)
            theirs = one.states[torch.from_numpy(rows).to(one.states.device)]
            with torch.inference_mode():
                logs = head(mine).log_softmax(-1)
                ratio = logs - reference.network.head(theirs).log_softmax(-1)
                result[one.slots[here]] = (logs.exp_() * ratio).nansum(-1).cpu().numpy()[row_of]
    return np.split(result, np.cumsum(sizes)[:-1])
