"""The map of regimes: what each scorer costs until the task is learned, its step size tuned on other seeds.

    python -m credit_gym.baselines.studies.regimes [--points FILE] [--scorers NAME,...] [--seeds N] [--json FILE]

At every point each scorer trains learners from the same prior with the same luck. Its step size is the least of a grid
that comes within a standard error, or a tenth, of the fastest on pilot seeds (Breiman et al. 1984): a fast one that got
lucky gives way to one that is safe. Then it races on other seeds until 0.8 of the best success that any policy can
have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from credit_gym.agents.learning.tabular import table_success
from credit_gym.baselines.protocol.kept_runs import one_thread
from credit_gym.baselines.studies.regimes.race import EXACT_ROW, Field, needed, race
from credit_gym.baselines.studies.regimes.regime import Regime, regime_model, seen, tile
from credit_gym.data.grouping import FloatArray
from credit_gym.envs.tabular.sample import sample_batch
from credit_gym.exact import oracle
from credit_gym.scorers import DEFAULT, get, score

RIVALS = ("grpo", "mc", "gae", "td_error", "crbc", "graphhca", "branch_aware", "pbrs", "combined", "adaptive_q")
OTHERS = ("gigpo", "ecpo", "rtmc", "hiper", "milestone")
SCORERS = (EXACT_ROW, DEFAULT, *RIVALS, *OTHERS)

RATES = np.array([0.1, 0.25, 0.6, 1.5, 4.0, 10.0, 25.0, 60.0])
TARGET = 0.8
ITERATIONS = 40
_FIRST_PILOT = 1000  # pilot seeds lie above all others
_SLACK = 1.1
_HOPELESS = 1.5


def run_map(
    points: Sequence[Regime], scorers: Sequence[str] = SCORERS, *, seeds: int = 8, pilots: int = 12, workers: int = 2
) -> list[dict[str, Any]]:
    """Race scorers at every point, at those that differ by name alone once; return one record a point, in order.

    Args:
        points: the regimes.
        scorers: registered scorers and :data:`~credit_gym.baselines.studies.regimes.race.EXACT_ROW`; one that needs a
            column that a regime has not is left out there.
        seeds: suites of tasks that are raced on.
        pilots: suites on which step sizes are tuned.
        workers: processes; results do not depend on it.
    """
    once = list(dict.fromkeys(replace(point, name="") for point in points))
    jobs = [(point, tuple(scorers), seeds, pilots) for point in once]
    with ProcessPoolExecutor(workers, initializer=one_thread) as pool:
        found = dict(zip(once, pool.map(run_point, *zip(*jobs, strict=True)), strict=True))
    return [{**found[replace(point, name="")], "regime": point.as_mapping()} for point in points]


def run_point(regime: Regime, scorers: Sequence[str], seeds: int, pilots: int) -> dict[str, Any]:
    """Tune and race every scorer at one point.

    Returns:
        ``regime``, its ``ceiling`` and for each scorer the ``rate``, the ``episodes`` a task until the target on each
        seed (infinite, written as None, where that is not reached in 40 updates), the ``final`` success, and the
        success of the greedy score ``table`` of the first batch.
    """
    tuning = _field(regime, range(_FIRST_PILOT, _FIRST_PILOT + math.ceil(pilots / 3)), RATES, seed=7)
    found = {}
    for name in scorers:
        if name != EXACT_ROW and regime.verifier == "none" and "verifier" in get(name).needs:
            continue
        rate = _tuned(tuning, name, pilots)
        racing = _field(regime, range(seeds), np.array([rate]), seed=11)
        curve = race(racing, name, iterations=ITERATIONS)
        episodes = regime.group_size * needed(curve, racing.target)
        found[name] = {
            "rate": rate,
            "episodes": [float(value) if np.isfinite(value) else None for value in episodes],
            "final": [float(value) for value in curve[-1]],
            "table": _table(racing, name),
        }
    reachable = float(np.mean(tuning.target) / TARGET)
    return {"regime": regime.as_mapping(), "ceiling": reachable, "scorers": found}


def _field(regime: Regime, suites: range, rates: FloatArray, *, seed: int) -> Field:
    """One learner a rate and suite, rates outermost."""
    model = regime_model(regime, suites)
    best = oracle.ceiling(model).reshape(len(suites), -1).mean(axis=1)
    learners = np.arange(len(rates) * len(suites))
    return Field(
        model=tile(model, len(rates)),
        regime=regime,
        learner=np.repeat(learners, regime.tasks),
        rate=np.repeat(rates, len(suites)),
        target=TARGET * np.tile(best, len(rates)),
        seed=seed,
    )


def _tuned(tuning: Field, scorer: str, pilots: int) -> float:
    """The least rate that is nearly the fastest; where none gets there, the one that gets furthest.

    A third of the pilots race at all rates, the others at those that are not hopeless by then.
    """
    first, reached = _cost(tuning, scorer, RATES)
    if first.min() >= 2 * ITERATIONS:
        return float(RATES[reached.argmax()])
    mean = first.mean(axis=1)
    rates, cost = (each[mean <= _HOPELESS * mean.min()] for each in (RATES, first))
    if pilots > cost.shape[1]:
        others = range(_FIRST_PILOT + cost.shape[1], _FIRST_PILOT + pilots)
        later, _ = _cost(_field(tuning.regime, others, rates, seed=7), scorer, rates)
        cost = np.concatenate([cost, later], axis=1)
    mean = cost.mean(axis=1)
    fastest = mean.argmin()
    error = cost[fastest].std() / math.sqrt(max(pilots - 1, 1))
    return float(rates[np.flatnonzero(mean <= max(_SLACK * mean[fastest], mean[fastest] + error))[0]])


def _cost(tuning: Field, scorer: str, rates: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Updates until the target, twice all where it is not reached, (rates, pilots); and the success at the end."""
    curve = race(tuning, scorer, iterations=ITERATIONS)
    cost = np.minimum(needed(curve, tuning.target), 2.0 * ITERATIONS)
    return cost.reshape(rates.size, -1), curve[-1].reshape(rates.size, -1).mean(axis=1)


def _table(racing: Field, scorer: str) -> float:
    """Mean success of the greedy table of one batch of the prior."""
    regime, model = racing.regime, racing.model
    batch = sample_batch(model, episodes_per_task=regime.group_size, seed=racing.seed, policy=model.behaviour[0])
    if scorer == EXACT_ROW:
        credit = oracle.step_advantage(model, model.behaviour[0], batch)
    else:
        credit = score(seen(batch, regime, racing.seed), scorer)
    return float(table_success(model, batch, credit).mean())
