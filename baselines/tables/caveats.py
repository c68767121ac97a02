"""The caveats beside Table 1: more data, a larger lambda, and a trainer that resamples.

    python -m credit_gym.baselines.tables.caveats [--seeds N] [--json FILE] [--plots DIR]

On the two tasks whose verifier misleads: does ``combined`` recover with more episodes, with a larger lambda, or with an
on-policy trainer? And on the stochastic suite: how soon does a policy gradient learn from each credit, and what do the
two graph scorers whose defaults were chosen there reach with their published options?
"""

from __future__ import annotations

from typing import Any

import numpy as np

from credit_gym.agents.learning.tabular import policy_gradient_curve
from credit_gym.baselines.protocol.controlled import Row, load_model
from credit_gym.baselines.protocol.experiment import run_experiment, save_json
from credit_gym.baselines.protocol.options import JsonFile, PlotFolder, Suites
from credit_gym.baselines.protocol.publish import publish
from credit_gym.report import Table
from credit_gym.report.command import run as run_command

TASKS = ("regress", "keydoor")
GROUP_SIZES = (30, 300, 3000)
LAMBDAS = (1.0, 2.0, 4.0, 8.0)
SCORERS = ("outcome_only", "crbc", "branch_aware", "combined", "adaptive_q")
ITERATIONS = (0, 3, 6, 9, 14, 15)
PUBLISHED = [
    Row("crbc", {"floor": 0.1}, "crbc, floor 0.1 (published)"),
    Row("crbc", {}, "crbc, floor 0.01 (default)"),
    Row("graphhca", {"weight_state": 1.0}, "graphhca, weight 1 (as reported)"),
    Row("graphhca", {}, "graphhca, weight 5 (default)"),
]


def success(task: str, row: Row, *, episodes: int, seeds: int) -> float:
    """Return the mean success of one row's score table on a diagnostic task."""
    results = run_experiment(
        "credit/Diagnostic-v0", [row], seeds=seeds, episodes_per_task=episodes, arguments={"task": task}
    )
    return float(results[row.name]["success"]["mean"])


def curve(env_id: str, arguments: dict[str, Any], scorer: str, seeds: int) -> list[float]:
    """Return the mean exact success before the iterations of :data:`ITERATIONS`."""
    models = [load_model(env_id, suite_seed=seed, arguments=arguments) for seed in range(seeds)]
    curves = [policy_gradient_curve(model, scorer, seed=seed).mean(axis=1) for seed, model in enumerate(models)]
    means = np.mean(curves, axis=0)
    return [float(means[iteration]) for iteration in ITERATIONS]


def main(
    seeds: Suites = 15,
    json: JsonFile = None,
    plots: PlotFolder = None,
) -> None:
    """Group sizes, lambdas and policy-gradient curves."""
    sizes = {
        f"{task}, {scorer}": [success(task, Row(scorer), episodes=size, seeds=min(seeds, 5)) for size in GROUP_SIZES]
        for task in TASKS
        for scorer in ("branch_aware", "combined", "adaptive_q")
    }
    lambdas = {
        f"{task}, combined": [
            success(task, Row("combined", {"lambda_": value}), episodes=64, seeds=seeds) for value in LAMBDAS
        ]
        for task in TASKS
    }
    suites: dict[str, tuple[str, dict[str, Any]]] = {
        "stochastic": ("credit/Stochastic-v0", {}),
        **{task: ("credit/Diagnostic-v0", {"task": task}) for task in TASKS},
    }
    curves = {
        f"{suite}, {scorer}": curve(env_id, arguments, scorer, seeds)
        for suite, (env_id, arguments) in suites.items()
        for scorer in SCORERS
    }
    published = {
        name: [metrics["success"]["mean"], metrics["success"]["std"]]
        for name, metrics in run_experiment("credit/Stochastic-v0", PUBLISHED, seeds=seeds).items()
    }
    tables: dict[str, tuple[tuple[Any, ...], dict[str, list[float]]]] = {
        f"Success by episodes a task ({min(seeds, 5)} seeds)": (GROUP_SIZES, sizes),
        f"Success by lambda ({seeds} seeds)": (LAMBDAS, lambdas),
        f"Published options on Stochastic-v0 ({seeds} seeds)": (("success", "sd"), published),
        f"Policy gradient: success after so many iterations ({seeds} seeds)": (ITERATIONS, curves),
    }
    if json:
        results = {"sizes": sizes, "lambdas": lambdas, "published": published, "curves": curves}
        save_json(json, {"baseline": "caveats", "seeds": seeds}, results)
    publish(
        [
            Table(title, ("scorer", *map(str, columns)), tuple((name, *values) for name, values in rows.items()))
            for title, (columns, rows) in tables.items()
        ],
        plots=plots,
    )


if __name__ == "__main__":
    run_command(main)
