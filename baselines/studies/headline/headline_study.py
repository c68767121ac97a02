"""The whole study: a rate for each credit by pilot seeds, then all credits on other seeds; finished runs are kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np

from credit_gym import rng
from credit_gym.baselines.protocol.kept_runs import one_thread, run_folder, write_whole
from credit_gym.baselines.studies.headline.headline_games import GAMES
from credit_gym.baselines.studies.headline.learner import RECIPES, Learner, Point
from credit_gym.baselines.studies.headline.player import taught
from credit_gym.data.foreign_text import file_text, read_json
from credit_gym.data.grouping import IntArray
from credit_gym.metrics.statistics import Estimate, bootstrap

RATES = (1e-4, 3e-4, 1e-3)
POINTS = 40
"""Points of a curve, evenly spaced in sampled tokens, beside the one before training."""
_FIRST_PILOT = 1000  # pilot seeds lie above all others
_SLACK = 0.9

Curves = Mapping[str, Sequence[Sequence[Point]]]


class Run(NamedTuple):
    """One training.

    Attributes:
        game: name of the environment.
        recipe: name of the credit.
        rate: learning rate.
        seed: of its draws.
    """

    game: str
    recipe: str
    rate: float
    seed: int


class Studied(NamedTuple):
    """What was found on one environment.

    Attributes:
        pilots: credit -> rate -> mean success over the curve, the mean over pilot seeds.
        rates: credit -> the rate that was chosen.
        curves: credit -> one curve a seed.
    """

    pilots: Mapping[str, Mapping[float, float]]
    rates: Mapping[str, float]
    curves: Curves


def run_study(
    games: Sequence[str],
    recipes: Sequence[str],
    folder: Path,
    *,
    seeds: int,
    pilots: int,
    rates: Sequence[float] = RATES,
    share: float = 1.0,
    workers: int = 1,
    on_run: Callable[[], None] = lambda: None,
) -> Mapping[str, Studied]:
    """Make the runs that are missing and return what all of them show.

    Args:
        games: names of environments.
        recipes: names of credits.
        folder: taught models and finished runs are kept here.
        seeds: runs of a credit on an environment.
        pilots: runs of a credit, an environment and a rate, by which the rate is chosen.
        rates: to choose from.
        share: of each environment's budget of tokens.
        workers: processes, one thread each; results do not depend on it.
        on_run: called as each run ends.
    """
    fresh = get_context("spawn")  # a forked process would inherit torch's threads as locks that nobody opens
    with ProcessPoolExecutor(workers, mp_context=fresh, initializer=one_thread) as pool:
        list(pool.map(_taught, games, [folder] * len(games)))

        def made(runs: Sequence[Run]) -> dict[Run, list[Point]]:
            jobs = {pool.submit(_run, run, folder, share): run for run in runs}
            found = {}
            for job in as_completed(jobs):
                found[jobs[job]] = job.result()
                on_run()
            return found

        tried = made(
            [
                Run(game, recipe, rate, _FIRST_PILOT + seed)
                for game in games
                for seed in range(pilots)
                for recipe in recipes
                for rate in rates
            ]
        )
        height = {
            (game, recipe): {rate: _height(tried, game, recipe, rate) for rate in rates}
            for game in games
            for recipe in recipes
        }
        chosen = {pair: least_good_rate(heights) for pair, heights in height.items()}
        final = made([Run(*pair, rate, seed) for seed in range(seeds) for pair, rate in chosen.items()])
    return {
        game: Studied(
            {recipe: height[game, recipe] for recipe in recipes},
            {recipe: chosen[game, recipe] for recipe in recipes},
            {
                recipe: [final[Run(game, recipe, chosen[game, recipe], seed)] for seed in range(seeds)]
                for recipe in recipes
            },
        )
        for game in games
    }


def least_good_rate(heights: Mapping[float, float]) -> float:
    """Return the least rate that comes within a tenth of the best."""
    best = max(heights.values())
    return min(rate for rate, height in heights.items() if height >= _SLACK * best)


def spaced(curve: Sequence[Point], budget: int) -> list[Point]:
    """Return a curve at evenly spaced numbers of sampled tokens, between its points by straight lines."""
    tokens = [point.tokens for point in curve]
    marks = np.linspace(0.0, budget, POINTS + 1)
    columns = (np.interp(marks, tokens, [point[column] for point in curve]) for column in range(len(Point._fields)))
    return [Point(*map(float, values)) for values in zip(*columns, strict=True)]


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
    """What a credit needs to reach the success that the baseline ends at, over what the baseline needs itself.

    Returns:
        The ratio, and its 95 % interval by a bootstrap over seeds, paired.
    """

    def ratio(seeds: IntArray) -> float:
        own, other = [curves[seed] for seed in seeds], [baseline[seed] for seed in seeds]
        target = float(np.mean([curve[-1].success for curve in other]))
        return cost_of(own, target, column) / cost_of(other, target, column)

    return bootstrap(ratio, np.arange(len(curves)), resamples=draws, method="nearest")  # some draws may be infinite


def _height(tried: Mapping[Run, Sequence[Point]], game: str, recipe: str, rate: float) -> float:
    curves = [curve for run, curve in tried.items() if run[:3] == (game, recipe, rate)]
    return float(np.mean([[point.success for point in curve] for curve in curves]))


def _taught(game: str, folder: Path) -> Path:
    return taught(GAMES[game].model, run_folder(folder / "taught", game, 0))


def _run(run: Run, folder: Path, share: float) -> list[Point]:
    game = GAMES[run.game]
    budget = round(game.tokens * share)
    kept = run_folder(folder / f"{run_folder(Path(), run.game, budget)}-{run.rate:g}", run.recipe, run.seed)
    kept = kept.with_suffix(".json")
    if kept.is_file():
        return [Point(*point) for point in read_json(file_text(kept))]
    start = _taught(run.game, folder)
    learner = Learner(game, RECIPES[run.recipe], start, rate=run.rate, seed=rng.derive(0, run.seed))
    curve = [learner.point()]
    while learner.tokens < budget:
        learner.step()
        curve.append(learner.point())
    kept.parent.mkdir(parents=True, exist_ok=True)
    points = spaced(curve, budget)
    write_whole(kept, json.dumps(points))
    return points
