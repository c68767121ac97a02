"""Sampling one token for each row of logits, each by its own random numbers, and keeping some rows to given texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

Trie: TypeAlias = "dict[int, Trie | str]"
"""What may follow: each next token leads to what may follow it, the token that ends a choice leads to its text."""


def sample(
    logits: Tensor, temperatures: Sequence[float], states: Sequence[int], allowed: Mapping[int, Iterable[int]]
) -> tuple[list[int], list[float]]:
    """Sample a token for each row: the one whose logit over temperature plus Gumbel noise is largest.

    Noise belongs to (state, token) alone, so the same logits give the same token beside any other rows and on any
    machine, and logits that differ by rounding, as those of other batch shapes do, almost always give the same token
    too: another one is chosen as rarely as the rounding changes probabilities. (Inverting the cumulative distribution
    instead adds up the rounding of a whole vocabulary.)

    Args:
        logits: (B, V).
        temperatures: (B,) of each row; 0 takes the most probable token.
        states: (B,) 64-bit states of a SplitMix64 stream whose draw v is the noise of token v.
        allowed: row -> the only tokens it may sample; rows that are left out may sample all.

    Returns:
        (B,) tokens, and their log-probabilities in nats by ``logits`` as they are: neither temperature nor ``allowed``
        changes those.
    """
    logits = logits.float()
    scores = logits
    if allowed:
        scores = logits.clone()
        for row, tokens in allowed.items():
            index = torch.tensor(list(tokens), device=logits.device)
            scores[row] = -torch.inf
            scores[row, index] = logits[row, index]
    heat = torch.tensor(temperatures, dtype=torch.float64, device=logits.device)[:, None]
    hot = heat > 0
    noisy = scores.double() / torch.where(hot, heat, 1.0)
    if bool(hot.any()):
        noisy += torch.where(hot, gumbel(states, logits.shape[1], logits.device), 0.0)
    tokens_ = noisy.argmax(dim=1)
    logprobs = logits.gather(1, tokens_[:, None])[:, 0] - logits.logsumexp(dim=1)
    return tokens_.tolist(), logprobs.tolist()


def gumbel(states: Sequence[int], size: int, device: torch.device | str = "cpu") -> Tensor:
    """Return (B, size) float64 standard Gumbel noise, row b from the first draws of the SplitMix64 stream of state b.

    They are the draws of :mod:`credit_gym.rng`, computed where the logits are.
    """
    start = torch.tensor([_signed(state) for state in states], device=device)[:, None]
    z = start + torch.arange(1, size + 1, device=device) * _signed(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = (z ^ _shifted(z, shift)) * _signed(factor)
    z = z ^ _shifted(z, 31)
    return -torch.log(-torch.log((_shifted(z, 11).double() + 0.5) * 2.0**-53))


def choice_trie(choices: Mapping[str, Sequence[int]], ends: Iterable[int]) -> Trie:
    """Return what the tokens of a constrained answer may be, one after the other.

    Each token is sampled among those allowed at its place. So a choice's probability is not its sequence probability
    renormalised: shared beginnings are decided first, as in every server that constrains by masking.

    Args:
        choices: text of each choice -> its tokens.
        ends: the tokens that may end an answer, none of them inside a choice.
    """
    ends = tuple(ends)
    root: Trie = {}
    for text, ids in choices.items():
        node = root
        for token in ids:
            child = node.setdefault(token, {})
            assert isinstance(child, dict)
            node = child
        node.update(dict.fromkeys(ends, text))
    return root


def _signed(bits: int) -> int:
    """The int64 with the bits of a uint64, which torch does not calculate with."""
    return bits - (1 << 64) if bits >> 63 else bits


def _shifted(z: Tensor, by: int) -> Tensor:
    """Shift to the right, zeros from the left."""
    return (z >> by) & ((1 << (64 - by)) - 1)
