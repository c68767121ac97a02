"""The player: a causal language model of 0.4 million parameters, taught by watching random games, then left to play."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from credit_gym.agents.learning.gradient_step import gradient_step
from credit_gym.baselines.studies.delta_belief.guessing_game import (
    BOS,
    ELICIT,
    FIRST_ENTITY,
    LENGTH,
    TURNS,
    VOCABULARY,
    Table,
    random_games,
)
from credit_gym.data.grouping import BoolArray, FloatArray, IntArray
from credit_gym.errors import missing_extra

if TYPE_CHECKING:
    import torch

POINTS = TURNS + 1
_ELICITATIONS = range(LENGTH, LENGTH + POINTS)


class Games(NamedTuple):
    """B finished games.

    Attributes:
        tokens: (B, LENGTH) int64.
        secret: (B,) int64.
        turns: (B,) int64 number of turns played.
        won: (B,) bool.
        legal: (B, TURNS) bool.
        guessed: (B,) bool whether the last turn was a guess.
    """

    tokens: IntArray
    secret: IntArray
    turns: IntArray
    won: BoolArray
    legal: BoolArray
    guessed: BoolArray


class Reading(NamedTuple):
    """What one forward pass over finished games gives.

    Attributes:
        logprob: (B, TURNS, 2) log-probability of verb and word, nats.
        log_belief: (B, POINTS, ENTITIES) log-belief in every entity before each turn and after the last.
    """

    logprob: torch.Tensor
    log_belief: torch.Tensor


def make_model(seed: int, *, hidden: int = 128, layers: int = 2) -> Any:
    """Return a random Qwen2 with tied embeddings; weights of deviation 0.1, without which beliefs are not learned."""
    try:
        import torch
        from transformers import Qwen2Config, Qwen2ForCausalLM
    except ImportError as error:
        raise missing_extra("transformers", "hf") from error
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=hidden,
        intermediate_size=4 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        initializer_range=0.1,
        bos_token_id=BOS,
        eos_token_id=BOS,
    )
    return Qwen2ForCausalLM(config)


def read(model: Any, tokens: IntArray) -> Reading:
    """Read finished games: the probability of every move, and the belief at every turn, in one pass.

    Behind the game lies one elicitation token per point; it sees the game up to its point and itself, at the position
    that follows the point.
    """
    import torch

    ids = torch.as_tensor(np.concatenate([tokens, np.full((len(tokens), POINTS), ELICIT)], axis=1))
    positions, mask = _layout()
    hidden = model.model(
        input_ids=ids, position_ids=positions.expand(len(ids), -1), attention_mask=mask
    ).last_hidden_state
    logits = model.lm_head(hidden)
    moves = torch.log_softmax(logits[:, :LENGTH], dim=-1)
    chosen = moves[:, :-1].gather(2, ids[:, 1:LENGTH, None])[..., 0].reshape(len(ids), TURNS, 3)
    beliefs = torch.log_softmax(logits[:, LENGTH:], dim=-1)[..., FIRST_ENTITY:]
    return Reading(chosen[..., :2], beliefs)


def play(
    model: Any, table: Table, secret: IntArray, seed: int, *, other: Any = None, share: FloatArray | None = None
) -> Games:
    """Play one game per secret, all at once, two cached forward passes a turn.

    Args:
        model: the player.
        table: the game.
        secret: (B,) entities.
        seed: of all draws.
        other: a second player that moves in place of the first where a coin says so.
        share: (B,) probability that a turn of game i is the first player's.
    """
    import torch
    from transformers import DynamicCache

    generator = torch.Generator().manual_seed(seed)
    count = len(secret)
    tokens = np.full((count, LENGTH), BOS, dtype=np.int64)
    turns = np.full(count, TURNS)
    over, won, guessed = (np.zeros(count, dtype=np.bool_) for _ in range(3))
    legal = np.zeros((count, TURNS), dtype=np.bool_)
    players = [model] if other is None else [model, other]
    caches = [DynamicCache() for _ in players]

    def sample(new: IntArray, first: torch.Tensor | None) -> IntArray:
        ids = torch.as_tensor(new)
        logits = [
            player(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1].float()
            for player, cache in zip(players, caches, strict=True)
        ]
        mixed = logits[0] if first is None else torch.where(first[:, None], logits[0], logits[-1])
        chosen = torch.softmax(mixed, dim=-1)
        drawn: IntArray = torch.multinomial(chosen, 1, generator=generator)[:, 0].numpy()
        return drawn

    with torch.inference_mode():
        for turn in range(TURNS):
            at = 1 + 3 * turn
            first = None if share is None else torch.rand(count, generator=generator) < torch.as_tensor(share)
            verb = sample(tokens[:, max(at - 2, 0) : at], first)
            word = sample(verb[:, None], first)
            answers = table.answer(verb, word, secret)
            tokens[~over, at], tokens[~over, at + 1] = verb[~over], word[~over]
            tokens[~over, at + 2] = answers.reply[~over]
            legal[:, turn] = answers.legal & ~over
            ends = answers.ended & ~over
            turns[ends], won[ends], guessed[ends] = turn + 1, answers.won[ends], True
            over |= ends
            if over.all():
                break
    return Games(tokens, secret, turns, won, legal, guessed)


def teach(model: Any, table: Table, *, steps: int, seed: int, batch: int = 128, rate: float = 3e-3) -> float:
    """Teach the rules and the belief from random games; return the mean log-belief in the truth after the questions.

    The loss is that of the moves and, at every turn, that of the secret behind the elicitation token.
    """
    import torch

    generator = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=max(0.05, 2.0 / steps))
    recent: list[float] = []
    for _ in range(steps):
        tokens, secret, turns = random_games(table, batch, generator)
        reading = read(model, tokens)
        played = torch.as_tensor(np.arange(TURNS) < turns[:, None])
        before_guess = torch.as_tensor(np.arange(POINTS) < turns[:, None])
        truth = reading.log_belief[torch.arange(batch), :, torch.as_tensor(secret)]
        loss = -reading.logprob[played].mean() - truth[before_guess].mean()
        gradient_step(model, optimizer, loss)
        schedule.step()
        recent.append(truth.detach()[torch.arange(batch), torch.as_tensor(turns - 1)].mean().item())
    return float(np.mean(recent[-50:]))


def load_or_teach(folder: Path, table: Table, *, steps: int, seed: int) -> Any:
    """Return the taught model from a folder, teaching and saving it there the first time."""
    from transformers import AutoModelForCausalLM

    if not (folder / "config.json").is_file():
        model = make_model(seed)
        teach(model, table, steps=steps, seed=seed)
        model.save_pretrained(folder)
    return AutoModelForCausalLM.from_pretrained(folder)


def _layout() -> tuple[torch.Tensor, torch.Tensor]:
    """Positions (LENGTH + POINTS,) and the mask (1, 1, L, L) of who sees whom."""
    import torch

    points = 1 + 3 * np.arange(POINTS)
    positions = torch.as_tensor(np.concatenate([np.arange(LENGTH), points]))
    size = LENGTH + POINTS
    mask = torch.zeros(size, size, dtype=torch.bool)
    mask[:LENGTH, :LENGTH] = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()
    for row, point in zip(_ELICITATIONS, points, strict=True):
        mask[row, :point] = True
        mask[row, row] = True
    return positions, mask[None, None]
