"""The whole study: every credit on every environment, several seeds; finished runs are kept and not made again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from credit_gym import rng
from credit_gym.baselines.protocol.kept_runs import one_thread, run_folder, write_whole
from credit_gym.baselines.studies.headline.headline_games import GAMES
from credit_gym.baselines.studies.headline.learner import RECIPES, Learner, Point
from credit_gym.baselines.studies.headline.lessons import taught
from credit_gym.data.grouping import IntArray
from credit_gym.metrics.statistics import Estimate, bootstrap

BASELINE = "outcome-only GRPO"
RATE = 1e-3
POINTS = 8
"""Evaluations of a run, evenly spaced in sampled tokens, beside the one before it."""
EVALUATION_EPISODES = 160

Curves = Mapping[str, Sequence[Sequence[Point]]]


def applies(game: str, recipe: str) -> bool:
    """Whether an environment has what a credit needs: beliefs are about a truth in words."""
    return bool(GAMES[game].words) or not RECIPES[recipe].belief


def run_study(
    games: Sequence[str],
    recipes: Sequence[str],
    folder: Path,
    *,
    seeds: int,
    share: float = 1.0,
    workers: int = 1,
    on_run: Callable[[], None] = lambda: None,
) -> Mapping[str, Curves]:
    """Make the runs that are missing and return the curves of all.

    Args:
        games: names of environments.
        recipes: names of credits.
        folder: taught models and finished runs are kept here.
        seeds: runs of a credit on an environment.
        share: of each environment's budget of tokens.
        workers: processes, one thread each.
        on_run: called as each run ends.

    Returns:
        Environment -> credit -> one curve per seed.
    """
    chosen = [(game, recipe) for game in games for recipe in recipes if applies(game, recipe)]
    curves: dict[str, dict[str, list[list[Point]]]] = {game: {} for game in games}
    for game, recipe in chosen:
        curves[game][recipe] = [[] for _ in range(seeds)]
    fresh = get_context("spawn")  # a forked process would inherit torch's threads as locks that nobody opens
    with ProcessPoolExecutor(workers, mp_context=fresh, initializer=one_thread) as pool:
        for lesson in [pool.submit(_teach, folder, game) for game in games]:
            lesson.result()
        runs = [(game, recipe, seed) for seed in range(seeds) for game, recipe in chosen]
        jobs = {pool.submit(_run, folder, *run, share): run for run in runs}
        for job in as_completed(jobs):
            game, recipe, seed = jobs[job]
            curves[game][recipe][seed] = job.result()
            on_run()
    return curves


def at(curve: Sequence[Point], tokens: float) -> float:
    """Success after a number of sampled tokens, between two evaluations by a straight line."""
    return float(np.interp(tokens, [point.tokens for point in curve], [point.success for point in curve]))


def cost_of(curves: Sequence[Sequence[Point]], target: float, column: str) -> float:
    """What it cost, in ``episodes`` or ``tokens``, until the mean curve first reached a success; infinite if never."""
    success = np.mean([[point.success for point in curve] for curve in curves], axis=0)
    cost = np.mean([[getattr(point, column) for point in curve] for curve in curves], axis=0)
    reached = np.flatnonzero(success >= target)
    if reached.size == 0:
        return float("inf")
    after = int(reached[0])
    if after == 0:
        return float(cost[0])
    before = after - 1
    share = (target - success[before]) / (success[after] - success[before])
    return float(cost[before] + share * (cost[after] - cost[before]))


def cost_ratio(
    curves: Sequence[Sequence[Point]], baseline: Sequence[Sequence[Point]], column: str, *, draws: int = 2_000
) -> Estimate:
    """What a credit needs to reach the success that the baseline ends at, over what the baseline spent in all.

    Returns:
        The ratio, and its 95 % interval by a bootstrap over seeds, paired.
    """

    def ratio(seeds: IntArray) -> float:
        own, other = [curves[seed] for seed in seeds], [baseline[seed] for seed in seeds]
        target = float(np.mean([curve[-1].success for curve in other]))
        spent = float(np.mean([getattr(curve[-1], column) for curve in other]))
        return cost_of(own, target, column) / spent

    return bootstrap(ratio, np.arange(len(curves)), resamples=draws, method="nearest")  # some draws may be infinite


def _teach(folder: Path, game: str) -> None:
    taught(GAMES[game], folder / "taught" / run_folder(Path(), game, 0).name)


def _run(folder: Path, game: str, recipe: str, seed: int, share: float) -> list[Point]:
    budget = round(GAMES[game].tokens * share)
    kept = run_folder(folder / run_folder(Path(), game, budget).name, recipe, seed).with_suffix(".json")
    if kept.is_file():
        return [Point(*point) for point in json.loads(kept.read_text(encoding="utf-8"))]
    model = taught(GAMES[game], folder / "taught" / run_folder(Path(), game, 0).name)
    learner = Learner(GAMES[game], RECIPES[recipe], model, rate=RATE, seed=rng.derive(0, seed) >> 1)
    curve = [learner.point(EVALUATION_EPISODES)]
    while learner.tokens < budget:
        learner.step()
        due = min(POINTS, learner.tokens * POINTS // budget) + 1 - len(curve)
        if due:
            curve += [learner.point(EVALUATION_EPISODES)] * due
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_whole(kept, json.dumps(curve))
    return curve
