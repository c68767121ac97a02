"""Best-of-n questions by belief gain: what the belief signal is worth as a selector, without any training."""

from __future__ import annotations

from typing import Any

import numpy as np

from credit_gym.baselines.studies.delta_belief.guessing_game import BOS, ELICIT, ENTITIES, FIRST_ENTITY, TURNS, Table
from credit_gym.data.grouping import BoolArray, IntArray
from credit_gym.metrics.statistics import Estimate, bootstrap_mean


def play_best_of(model: Any, table: Table, secret: IntArray, n: int, seed: int) -> BoolArray:
    """Play games in which each move is the one of n samples after whose answer the belief in the truth is highest.

    The selector knows the secret (the published analysis does so too): this measures the signal, not a player.

    Returns:
        (B,) whether each game was won.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    count = len(secret)
    games = np.full((count, 1), BOS, dtype=np.int64)
    over, won = np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_)
    owner = np.repeat(np.arange(count), n)

    def log_probability(tokens: IntArray) -> torch.Tensor:
        out = model(input_ids=torch.as_tensor(tokens), logits_to_keep=1, use_cache=False)
        return torch.log_softmax(out.logits[:, -1].float(), dim=-1)

    def sampled(tokens: IntArray) -> IntArray:
        drawn: IntArray = torch.multinomial(log_probability(tokens).exp(), 1, generator=generator).numpy()
        return drawn

    with torch.inference_mode():
        for _ in range(TURNS):
            candidates = games[owner]
            candidates = np.concatenate([candidates, sampled(candidates)], axis=1)
            candidates = np.concatenate([candidates, sampled(candidates)], axis=1)
            answers = table.answer(candidates[:, -2], candidates[:, -1], secret[owner])
            candidates = np.concatenate([candidates, answers.reply[:, None]], axis=1)
            asked = np.concatenate([candidates, np.full((len(owner), 1), ELICIT)], axis=1)
            belief = log_probability(asked)[np.arange(len(owner)), FIRST_ENTITY + secret[owner]].numpy()
            best = np.arange(count) * n + belief.reshape(count, n).argmax(axis=1)
            games = candidates[best]
            won |= answers.won[best] & ~over
            over |= answers.ended[best]
    return won


def success(model: Any, table: Table, n: int, *, repeats: int = 8, seed: int = 3) -> Estimate:
    """Success of best-of-n play and its 95 % bootstrap interval over secrets."""
    secret = np.tile(np.arange(ENTITIES), repeats)
    return bootstrap_mean(play_best_of(model, table, secret, n, seed).reshape(repeats, ENTITIES).mean(axis=0))
