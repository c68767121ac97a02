"""The whole study: every recipe, several seeds, each run on its own core and kept as it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from credit_gym.baselines.protocol.kept_runs import one_thread, run_folder
from credit_gym.baselines.studies.delta_belief.guessing_game import ENTITIES, Table, make_table
from credit_gym.baselines.studies.delta_belief.guessing_model import load_or_teach, play, read
from credit_gym.baselines.studies.delta_belief.guessing_training import GAMES, RECIPES, Point, load, save, start, train
from credit_gym.data.grouping import FloatArray, IntArray
from credit_gym.metrics.statistics import Estimate, bootstrap, spearman

CHECKPOINTS = (7_168, 19_200, 23_040, 38_400, 76_800, 102_400)
TEACHING_STEPS = 3_500


class Plan(NamedTuple):
    """Which runs to make.

    Attributes:
        games: recipe -> training games of a run.
        seeds: recipe -> number of runs.
        teaching: steps in which the model is taught before any of them.
    """

    games: Mapping[str, int]
    seeds: Mapping[str, int]
    teaching: int = TEACHING_STEPS


def run_study(
    plan: Plan, folder: Path, *, workers: int, on_run: Callable[[str, int], None] = lambda *_: None
) -> dict[str, list[list[Point]]]:
    """Run what is missing of a study and return all its curves.

    Args:
        plan: the runs.
        folder: the taught model and every finished run are kept here; a stopped study goes on from them.
        workers: processes, one thread each.
        on_run: called with the recipe and seed of each run that ends.

    Returns:
        Recipe -> one curve per seed.
    """
    load_or_teach(folder / "taught", make_table(), steps=plan.teaching, seed=0)
    most = max(plan.seeds.values())
    runs = [(recipe, seed) for seed in range(most) for recipe, seeds in plan.seeds.items() if seed < seeds]
    with ProcessPoolExecutor(workers, initializer=one_thread) as pool:
        jobs = {pool.submit(_run, folder, recipe, seed, plan.games[recipe]): (recipe, seed) for recipe, seed in runs}
        curves = {}
        for job in as_completed(jobs):
            curves[jobs[job]] = job.result()
            on_run(*jobs[job])
    return {recipe: [curves[recipe, seed] for seed in range(seeds)] for recipe, seeds in plan.seeds.items()}


def trained(folder: Path, recipe: str, seed: int) -> Any:
    """Return the model that a run of a study ended with."""
    return load(run_folder(folder, recipe, seed)).policy


def gain_correlation(model: Any, table: Table, *, seed: int = 2, repeats: int = 32) -> dict[str, Estimate]:
    """Rank correlation of belief credit with the exact information gain of every question.

    Returns:
        ``model`` and ``exact posterior`` -> Spearman's correlation over all questions and its 95 % bootstrap interval
        over secrets.
    """
    import torch

    played = play(model, table, np.tile(np.arange(ENTITIES), repeats), seed)
    with torch.no_grad():
        beliefs = read(model, played.tokens).log_belief.double().numpy()
    exact = np.diff(table.log_posterior(played.tokens, played.secret), axis=1)
    own = np.diff(beliefs[np.arange(len(played.secret)), :, played.secret], axis=1)
    asked = played.legal.copy()
    asked[played.guessed, played.turns[played.guessed] - 1] = False
    rows = np.nonzero(asked)
    truth, owner = exact[rows], played.secret[rows[0]]
    return {
        name: bootstrap(partial(_correlation, credit, truth), owner, resamples=500)
        for name, credit in (("model", own[rows]), ("exact posterior", truth))
    }


def belief_growth(
    model: Any, table: Table, reader: Any, *, seed: int = 2, repeats: int = 32
) -> dict[str, tuple[IntArray, FloatArray, FloatArray]]:
    """How the belief in the truth grows before the guess, in games that are won and in games that are lost.

    Args:
        model: who plays.
        table: the game.
        reader: whose belief is read: the player itself, or the taught model.
        seed: of the games.
        repeats: games of every secret.

    Returns:
        ``won`` and ``lost`` -> turn, mean log-belief (nats) over the games that reach it, and its standard deviation.
    """
    import torch

    played = play(model, table, np.tile(np.arange(ENTITIES), repeats), seed)
    with torch.no_grad():
        beliefs = read(reader, played.tokens).log_belief.double().numpy()
    own = beliefs[np.arange(len(played.secret)), :, played.secret]
    found = {}
    for name, chosen in (("won", played.won), ("lost", ~played.won)):
        reached = [own[chosen & (played.turns > turn), turn] for turn in range(own.shape[1] - 1)]
        turns = np.array([turn for turn, values in enumerate(reached) if values.size], dtype=np.int64)
        mean, spread = (np.array([f(reached[turn]) for turn in turns], dtype=np.float64) for f in (np.mean, np.std))
        found[name] = (turns, mean, spread)
    return found


def _correlation(credit: FloatArray, exact: FloatArray, rows: IntArray) -> float:
    return spearman(credit[rows], exact[rows])


def _run(folder: Path, recipe: str, seed: int, games: int) -> list[Point]:
    """Advance one run to a number of games, keeping it at every checkpoint."""
    table, own = make_table(), run_folder(folder, recipe, seed)
    model = load_or_teach(folder / "taught", table, steps=0, seed=0)
    run = load(own) if own.is_dir() else start(model)
    for point in CHECKPOINTS:
        if run.steps * GAMES < point <= games:
            train(run, model, table, RECIPES[recipe], games=point, seed=seed, evaluate_at=(point,))
            save(run, own)
    return [point for point in run.curve if point.games <= games]
