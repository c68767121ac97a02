"""A policy and its reference on the guessing game: episodes with every token column that training-free scores need."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from credit_gym import rng
from credit_gym.baselines.studies.delta_belief.guessing_game import ENTITIES, LENGTH, TURNS, Table
from credit_gym.baselines.studies.delta_belief.guessing_model import Games, play, read
from credit_gym.baselines.studies.delta_belief.guessing_training import as_batch
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import IntArray

TOP_K = 20


def on_policy(policy: Any, reference: Any, table: Table, *, repeats: int, seed: int) -> EpisodeBatch:
    """Games that the policy plays itself, ``repeats`` of every secret."""
    secret = np.tile(np.arange(ENTITIES), repeats)
    return scored(policy, reference, play(policy, table, secret, rng.derive(seed) >> 1))


def mixed(policy: Any, reference: Any, table: Table, *, repeats: int, seed: int) -> EpisodeBatch:
    """Games of players of every strength: each turn of game i is the policy's with probability eps_i ~ U(0, 1)."""
    secret = np.tile(np.arange(ENTITIES), repeats)
    share = np.random.default_rng(seed).random(secret.size)
    return scored(
        policy, reference, play(policy, table, secret, rng.derive(seed, 1) >> 1, other=reference, share=share)
    )


def scored(policy: Any, reference: Any, games: Games) -> EpisodeBatch:
    """Return games with log-probability, entropy, divergence and confidence of both sampled tokens of every turn."""
    import torch

    with torch.no_grad():
        beliefs = read(policy, games.tokens).log_belief.double().numpy()
        own, other = (_moves(model, games.tokens) for model in (policy, reference))
    chosen = torch.as_tensor(games.tokens[:, 1:])[..., None]
    columns = {
        "policy_logprob": own.gather(2, chosen)[..., 0],
        "reference_logprob": other.gather(2, chosen)[..., 0],
        "policy_entropy": -(own.exp() * own).sum(-1),
        "policy_kl": (own.exp() * (own - other)).sum(-1),
        "policy_top_logprob": own.topk(TOP_K, dim=-1).values.mean(-1),
    }
    batch = as_batch(games, beliefs)
    rows = np.repeat(batch.episode, 2)
    places: IntArray = (3 * batch.step[:, None] + np.arange(2)).ravel()
    return replace(
        batch,
        logprob_offsets=2 * np.arange(batch.num_steps + 1),
        **{name: values.numpy()[rows, places] for name, values in columns.items()},
    )


def _moves(model: Any, tokens: IntArray) -> Any:
    """Log-probabilities of every token of the vocabulary after every prefix, (B, LENGTH - 1, V)."""
    import torch

    assert tokens.shape[1] == LENGTH == 1 + 3 * TURNS
    return torch.log_softmax(model(input_ids=torch.as_tensor(tokens[:, :-1])).logits.double(), dim=-1)
