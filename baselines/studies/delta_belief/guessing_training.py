"""Policy gradient on the guessing game with any per-turn credit: one gradient step per batch of games."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple

import numpy as np

from credit_gym import rng
from credit_gym.baselines.protocol.study_training import Training
from credit_gym.baselines.studies.delta_belief.guessing_game import ENTITIES, FIRST_ENTITY, GUESS, TURNS, Table
from credit_gym.baselines.studies.delta_belief.guessing_model import POINTS, Games, play, read
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.foreign_text import file_text, read_json
from credit_gym.data.grouping import FloatArray, IntArray
from credit_gym.errors import CreditGymError
from credit_gym.metrics.pass_at_k import pass_once
from credit_gym.scorers import score

GROUPS, GROUP_SIZE = 16, 16
GAMES = GROUPS * GROUP_SIZE
"""Games of one gradient step: 16 secrets, 16 games each."""

RATE = 7e-4
WEIGHT = 0.5
"""Weight of the belief credit; above 1 a game's gain outweighs its outcome, and guessing is unlearned."""


@dataclass(frozen=True)
class Recipe:
    """One way to train.

    Attributes:
        credit: the credit of every turn of a batch.
        frozen: whether beliefs are read from the untrained model in place of the one that plays.
    """

    credit: Callable[[EpisodeBatch], FloatArray]
    frozen: bool = False


class Point(NamedTuple):
    """One evaluation on a training curve.

    Attributes:
        games: games played for training so far.
        success: share of evaluation games that were won.
        legal: share of turns that were understood.
        guessed: share of games that ended with a guess.
        turns: mean number of turns.
        repeated: share of questions that had been asked before in the same game.
        pass_at_8: mean over secrets of the probability that one of 8 games is won.
    """

    games: int
    success: float
    legal: float
    guessed: float
    turns: float
    repeated: float
    pass_at_8: float


def _trajectory_with_belief(batch: EpisodeBatch) -> FloatArray:
    return score(replace(batch, reward=batch.reward + WEIGHT * score(batch, "delta_belief")), "starpo")


def _turn_wise(**options: Any) -> Callable[[EpisodeBatch], FloatArray]:
    return lambda batch: score(batch, "turn_grpo_belief", weight=WEIGHT, **options)


def _normalised(**options: Any) -> Callable[[EpisodeBatch], FloatArray]:
    """The turn-wise recipe with another of the published normalisations of the gain."""
    return lambda batch: score(
        replace(batch, reward=batch.reward + WEIGHT * score(batch, "delta_belief", **options)), "turn_grpo"
    )


RECIPES = {
    "trajectory": Recipe(lambda batch: score(batch, "starpo")),
    "trajectory + belief": Recipe(_trajectory_with_belief),
    "turn-wise": Recipe(lambda batch: score(batch, "turn_grpo")),
    "turn-wise + belief": Recipe(_turn_wise()),
    "turn-wise + frozen belief": Recipe(_turn_wise(), frozen=True),
    "turn-wise + high_water_mark": Recipe(_turn_wise(belief="high_water_mark")),
    "turn-wise + contrastive": Recipe(_turn_wise(belief="contrastive")),
    "turn-wise + raw gain": Recipe(_normalised(squash="none")),
    "turn-wise + tanh": Recipe(_normalised(squash="tanh")),
    "turn-wise + group min-max": Recipe(_normalised(squash="group_min_max")),
    "published baseline (zero fill)": Recipe(_turn_wise(baseline_mask="zero_fill")),
    "return-to-go": Recipe(_turn_wise(return_to_go=1.0, baseline_mask="active_only", mode="upstream")),
}


def start(model: Any) -> Training[Point]:
    """Begin to train a copy of a model."""
    return Training.of(deepcopy(model), RATE)


def train(
    run: Training[Point],
    model: Any,
    table: Table,
    recipe: Recipe,
    *,
    games: int,
    seed: int,
    evaluate_at: Collection[int] = (),
) -> None:
    """Train until a number of games has been played; draws depend on the seed and the step, not on what came before.

    Args:
        run: the run to advance.
        model: where it began; it reads the beliefs of a recipe with frozen ones.
        table: the game.
        recipe: what each turn is credited with.
        games: games in all, rounded down to whole batches of :data:`GAMES`.
        seed: of secrets and moves.
        evaluate_at: after which numbers of games to evaluate.
    """
    import torch

    for step in range(run.steps, games // GAMES):
        generator = np.random.default_rng([seed, step])
        secret = np.repeat(generator.choice(ENTITIES, GROUPS, replace=False), GROUP_SIZE)
        played = play(run.policy, table, secret, rng.derive(seed, step) >> 1)
        reading = read(run.policy, played.tokens)
        beliefs = reading.log_belief.detach()
        if recipe.frozen:
            with torch.no_grad():
                beliefs = read(model, played.tokens).log_belief
        batch = as_batch(played, beliefs.double().numpy())
        weight = np.zeros((GAMES, TURNS))
        weight[batch.episode, batch.step] = recipe.credit(batch)
        advantage = torch.as_tensor(weight, dtype=torch.float32)
        loss = -(advantage[..., None] * reading.logprob).sum() / (2 * batch.num_steps)
        run.descend(loss)
        run.steps = step + 1
        if run.steps * GAMES in evaluate_at:
            run.curve.append(evaluate(run.policy, table, games=run.steps * GAMES))


def save(run: Training[Point], folder: Path) -> None:
    """Keep a run; a folder that was being written when the process died is never mistaken for a whole one."""
    import torch

    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    run.policy.save_pretrained(partial)
    torch.save(run.optimizer.state_dict(), partial / "optimizer.pt")
    record = {"steps": run.steps, "curve": [point._asdict() for point in run.curve]}
    (partial / "run.json").write_text(json.dumps(record))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def load(folder: Path) -> Training[Point]:
    """Return a kept run.

    Raises:
        CreditGymError: the folder is damaged.
    """
    import torch
    from transformers import AutoModelForCausalLM

    try:
        record = read_json(file_text(folder / "run.json"))
        policy = AutoModelForCausalLM.from_pretrained(folder)
        run: Training[Point] = Training.of(policy, RATE)
        run.optimizer.load_state_dict(torch.load(folder / "optimizer.pt", weights_only=True))
        run.steps, run.curve = int(record["steps"]), [Point(**point) for point in record["curve"]]
        return run
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, UnpicklingError) as error:
        raise CreditGymError(f"{folder} is not a run that can go on ({error}): delete it to begin it anew.") from error


def as_batch(played: Games, log_belief: FloatArray) -> EpisodeBatch:
    """Return games as a batch.

    Args:
        played: the games; equal secrets form a group.
        log_belief: (B, POINTS, ENTITIES) log-belief in every entity at every point. What the reply to a guess gives
            away is no credit of the guess: the belief after it counts as missing.
    """
    count = len(played.secret)
    offsets = np.concatenate([[0], np.cumsum(played.turns)])
    steps = int(offsets[-1])
    episode = np.repeat(np.arange(count), played.turns)
    turn = np.arange(steps) - np.repeat(offsets[:-1], played.turns)
    last = turn == played.turns[episode] - 1
    point = np.arange(POINTS)[None, :] <= played.turns[:, None]
    own = np.arange(ENTITIES) == played.secret[:, None]
    truth = log_belief[own[:, None, :].repeat(POINTS, axis=1)].reshape(count, POINTS)
    wrong = np.logaddexp.reduce(np.where(own[:, None, :], -np.inf, log_belief), axis=2)
    truth = np.where(played.guessed[:, None] & (np.arange(POINTS) == played.turns[:, None]), np.nan, truth)
    return EpisodeBatch(
        offsets=offsets,
        state=turn,
        next_state=turn + 1,
        action=played.tokens[episode, 2 + 3 * turn],
        reward=np.where(last, played.won[episode], 0.0),
        group=played.secret,
        task=played.secret,
        success=played.won,
        terminated=played.guessed,
        truncated=~played.guessed,
        invalid=~played.legal[episode, turn],
        log_belief=truth[point],
        distractor_log_belief=wrong[point],
    )


def evaluate(model: Any, table: Table, *, games: int = 0, repeats: int = 16, seed: int = 1) -> Point:
    """Play every secret ``repeats`` times with draws that are the same for every model."""
    played = play(model, table, np.tile(np.arange(ENTITIES), repeats), seed)
    steps = np.arange(TURNS) < played.turns[:, None]
    wins = played.won.reshape(repeats, ENTITIES).sum(axis=0)
    return Point(
        games,
        float(played.won.mean()),
        float(played.legal[steps].mean()),
        float(played.guessed.mean()),
        float(played.turns.mean()),
        repeated_share(played.tokens, played.turns),
        float(pass_once(np.full(ENTITIES, repeats), wins, 8).mean()),
    )


def repeated_share(tokens: IntArray, turns: IntArray) -> float:
    """Share of the questions that had been asked before in the same game."""
    asked = repeated = 0
    for row, length in zip(tokens, turns, strict=True):
        moves = row[1 : 1 + 3 * length].reshape(-1, 3)
        questions = moves[moves[:, 0] != GUESS, 1]
        questions = questions[questions < FIRST_ENTITY]
        asked += questions.size
        repeated += questions.size - np.unique(questions).size
    return repeated / asked if asked else 0.0
