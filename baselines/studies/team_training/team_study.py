"""The whole study: every recipe, several seeds; finished runs are kept and not made again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np

from credit_gym.baselines.protocol.kept_runs import one_thread, run_folder, write_whole
from credit_gym.baselines.studies.team_training.team_game import FAN_OUT, make_game
from credit_gym.baselines.studies.team_training.team_model import speak
from credit_gym.baselines.studies.team_training.team_policy_gradient import (
    RECIPES,
    Critic,
    Point,
    Recipe,
    sample,
    start,
    train,
)
from credit_gym.data.foreign_text import file_text, read_json
from credit_gym.data.grouping import group_mean
from credit_gym.estimation.siblings import siblings
from credit_gym.metrics.statistics import spearman

EVERY = 10
BATCHES = 40
"""Batches of a seed that the fidelity at the start is measured on."""

Curves = Mapping[str, Sequence[Sequence[Point]]]


def run_study(
    recipes: Sequence[str], folder: Path, *, steps: int, seeds: int, workers: int, on_run: Callable[[], None]
) -> dict[str, list[list[Point]]]:
    """Make the runs that are missing and return the curves of all.

    Args:
        recipes: names of recipes.
        folder: finished runs are kept here, one file each.
        steps: gradient steps of a run.
        seeds: runs of a recipe; a seed is a game, a random start and the draws of both.
        workers: processes, one thread each.
        on_run: called as each run ends.

    Returns:
        Recipe -> one curve per seed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    curves: dict[str, list[list[Point]]] = {name: [[] for _ in range(seeds)] for name in recipes}
    with ProcessPoolExecutor(workers, initializer=one_thread) as pool:
        runs = [(name, seed) for seed in range(seeds) for name in recipes]
        jobs = {pool.submit(_run, folder, name, seed, steps): (name, seed) for name, seed in runs}
        for job in as_completed(jobs):
            name, seed = jobs[job]
            curves[name][seed] = job.result()
            on_run()
    return curves


def fidelity(recipe: Recipe, seed: int) -> tuple[float, ...]:
    """How a recipe's credit ranks the messages of an untrained team against their exact advantage.

    Every play counts once, with the mean credit of its rows, which is what training uses. The critic has seen all
    batches before the one it judges.

    Returns:
        Spearman's correlation over the plays of all roles, then of each role.
    """
    if recipe.credit is None:
        raise ValueError("A recipe that trains nothing has no credit.")
    game, spoken, critic = make_game(seed), speak(start(seed).policy), Critic()
    rows = []
    for number in range(BATCHES):
        batch, said = sample(game, spoken, recipe, critic, np.random.default_rng([seed, number]))
        tree = siblings(batch)
        columns = (batch.require("role"), recipe.credit(batch), batch.require("advantage"))
        rows.append(np.stack([group_mean(np.asarray(c, dtype=np.float64), tree.play, tree.plays) for c in columns]))
        critic.learn(said, batch.episode_return)
    role, credit, exact = np.concatenate(rows, axis=1)
    chosen = [role >= 0, *(role == k for k in range(len(FAN_OUT)))]
    return tuple(spearman(credit[c], exact[c]) for c in chosen)


def _run(folder: Path, name: str, seed: int, steps: int) -> list[Point]:
    kept = run_folder(folder, f"{name}-{steps}", seed).with_suffix(".json")
    if kept.is_file():
        return [Point(**point) for point in read_json(file_text(kept))]
    run = start(seed)
    train(run, make_game(seed), RECIPES[name], steps=steps, seed=seed, evaluate_at=range(0, steps + 1, EVERY))
    write_whole(kept, json.dumps([point._asdict() for point in run.curve]))
    return run.curve
