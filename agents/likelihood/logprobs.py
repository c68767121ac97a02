"""Log-probabilities of the scored tokens of many sequences: every shared prefix once, every vocabulary row once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from credit_gym.agents.likelihood.forest import TokenSequence
from credit_gym.agents.likelihood.language_model import LanguageModel
from credit_gym.agents.likelihood.network import Network
from credit_gym.agents.likelihood.passes import WHOLE, Limits, Share, chunks, passes
from credit_gym.agents.likelihood.score_cache import ScoreCache
from credit_gym.agents.likelihood.sharing import Method
from credit_gym.data.grouping import IntArray

Columns: TypeAlias = npt.NDArray[np.float32]
"""(4, L): log-probability, entropy, top-k mean and rank of L tokens."""

Compute: TypeAlias = Callable[[LanguageModel, Sequence[TokenSequence], Limits], list[Columns]]
"""Computes the columns of each of some sequences."""


class Means(TypedDict, total=False):
    """What :func:`score_tokens` may be given beside the model and the sequences; it describes them."""

    limits: Limits | None
    cache: ScoreCache | None
    compute: Compute | None


COLUMNS = ("logprob", "entropy", "top_k_mean", "rank")


@dataclass(frozen=True, slots=True, eq=False)
class TokenScores:
    """What a model says of the scored tokens, flat over all spans of all sequences.

    Attributes:
        logprob: (L,) float32 log-probability of the token, nats, at temperature 1 over the whole vocabulary.
        entropy: (L,) float32 entropy of the prediction, nats.
        top_k_mean: (L,) float32 mean of the k largest log-probabilities of the prediction, nats.
        rank: (L,) float32, 1 for the likeliest token.
        offsets: (spans+1,) int64; span i owns ``offsets[i]:offsets[i+1]``.

    All columns are NaN where a token has no prediction: the first one of a sequence, and what a cap left out.
    """

    logprob: npt.NDArray[np.float32]
    entropy: npt.NDArray[np.float32]
    top_k_mean: npt.NDArray[np.float32]
    rank: npt.NDArray[np.float32]
    offsets: IntArray

    def __len__(self) -> int:
        return self.offsets.size - 1


def score_tokens(
    lm: LanguageModel,
    sequences: Sequence[TokenSequence],
    *,
    limits: Limits | None = None,
    cache: ScoreCache | None = None,
    compute: Compute | None = None,
) -> TokenScores:
    """Score the spans of token sequences.

    ``log p(x_t | x_<t)`` at temperature 1, without truncation of the distribution. Trajectories of one group, or of one
    system prompt, share what they begin with; tokens after the last span are not computed. Equal models give equal
    bits for equal calls.

    Args:
        lm: the model.
        sequences: what is scored.
        limits: memory and length.
        cache: where results are kept and looked up by content.
        compute: computes what is not in the cache; by default this process does.

    Returns:
        One entry for each token of each span, in order.

    Raises:
        CreditGymError: a token id lies outside the vocabulary.
        BackendError: the model cannot be loaded, or a sequence is longer than its positions.
    """
    limits = limits or Limits()

    def missing(indices: Sequence[int]) -> list[Columns]:
        wanted = [sequences[index] for index in indices]
        return evaluate(lm, wanted, limits=limits)[0] if compute is None else compute(lm, wanted, limits)

    if cache is None:
        return gather(sequences, missing(range(len(sequences))))
    options = (limits.max_tokens, limits.top_k)
    keys = [cache.key(lm.identity, "tokens", *options, each.ids, each.spans) for each in sequences]
    return gather(sequences, cache.fetch(keys, missing))


def gather(sequences: Sequence[TokenSequence], columns: Sequence[Columns]) -> TokenScores:
    """Return the columns of each sequence as one flat table."""
    logprob, entropy, top_k_mean, rank = np.concatenate([np.zeros((4, 0), dtype=np.float32), *columns], axis=1)
    widths = [end - start for sequence in sequences for start, end in sequence.spans]
    offsets = np.concatenate([[0], np.cumsum(widths)]).astype(np.int64)
    return TokenScores(logprob, entropy, top_k_mean, rank, offsets)


def evaluate(
    lm: LanguageModel,
    sequences: Sequence[TokenSequence],
    *,
    limits: Limits,
    plain: int = 0,
    share: Share = WHOLE,
) -> tuple[list[Columns], list[tuple[Method, str]]]:
    """Score sequences in as few passes as the limits allow.

    Args:
        lm: the model.
        sequences: what is scored.
        limits: memory and length.
        plain: of that many sequences at the end only the log-probabilities are wanted.
        share: which of the passes are computed; what the others would have given stays NaN.

    Returns:
        The columns of each sequence, and how each was computed, with the reason why it was not in one tree.
    """
    offsets = np.concatenate([[0], np.cumsum([each.positions.size for each in sequences])]).astype(np.int64)
    table = np.full((len(COLUMNS), int(offsets[-1])), np.nan, dtype=np.float32)
    network = lm.network
    methods: list[tuple[Method, str]] = [("naive", "nothing to predict")] * len(sequences)
    for one in passes(network, sequences, limits, share):
        full = one.slots < offsets[len(sequences) - plain]
        for chosen, top_k in ((full, limits.top_k), (~full, 0)):
            columns = predictions(
                network, one.states, one.places[chosen], one.targets[chosen], top_k=top_k, limits=limits
            )
            table[: len(columns), one.slots[chosen]] = columns
        for index, how in one.methods.items():
            methods[index] = how
    return np.split(table, offsets[1:-1], axis=1) if sequences else [], methods


def predictions(
    network: Network, states: Tensor, places: IntArray, targets: IntArray, *, top_k: int, limits: Limits
) -> Columns:
    """Return what states predict of tokens; only the rows that predict meet the vocabulary matrix, a chunk at a time.

    Args:
        network: whose head predicts.
        states: (N, width) from its trunk.
        places: (P,) row of the state that predicts each token; one row may predict many.
        targets: (P,) the tokens.
        top_k: k of the top-k mean; 0 for log-probabilities alone.
        limits: how many logits may exist at a time.

    Returns:
        (4, P) columns in the order of :data:`COLUMNS`, or (1, P) log-probabilities.
    """
    columns = np.empty((len(COLUMNS) if top_k else 1, places.size), dtype=np.float32)
    for rows, row_of, here in chunks(places, limits.rows(network)):
        logits = network.head(states[torch.from_numpy(rows).to(states.device)])
        columns[:, here] = _columns(logits, row_of, targets[here], top_k).cpu().numpy()
    return columns


@torch.inference_mode()
def _columns(logits: Tensor, rows: IntArray, targets: IntArray, top_k: int) -> Tensor:
    """(4, n) columns of n tokens predicted by rows of (R, V) logits, which are overwritten; (1, n) without top k."""
    row, target = torch.from_numpy(rows).to(logits.device), torch.from_numpy(targets).to(logits.device)
    logprobs = logits.log_softmax(-1)
    logprob = logprobs[row, target]
    if not top_k:
        return logprob[None]
    top = logprobs.topk(min(top_k, logprobs.shape[-1]), sorted=False).values.mean(-1)
    entropy = -torch.exp(logprobs, out=logits).mul_(logprobs).nansum(-1)  # an impossible token adds nothing
    if rows.size == logits.shape[0]:  # one token for each row
        likelier = torch.gt(logprobs, logprob[:, None], out=logits).sum(-1)
    else:
        likelier = (logprobs[row] > logprob[:, None]).sum(-1)
    return torch.stack([logprob, entropy[row], top[row], 1.0 + likelier])
