"""Table 1: outcome-only against branch-aware and combined credit on stochastic tasks.

    python -m credit_gym.baselines.tables.stochastic [--seeds N] [--json FILE] [--plots DIR]

15 seeds x 20 tasks x 64 episodes. The published row is 0.240 / 0.979 / 1.000 for outcome-only / branch-aware /
combined. What keeps it honest: scorers that pool the transition graph reach the same without any verifier;
``combined`` fails where the verifier misleads (``baselines.diagnostic``); and a policy gradient that resamples with
its own policy learns from outcomes alone, only later (``--policy-gradient``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from credit_gym.baselines.protocol.controlled import all_rows, load_model
from credit_gym.baselines.protocol.experiment import Results, run_experiment, save_json, summary
from credit_gym.baselines.protocol.options import JsonFile, PlotFolder, Processes, Suites
from credit_gym.baselines.protocol.publish import publish
from credit_gym.baselines.protocol.scorer_rows import results_table
from credit_gym.exact import oracle
from credit_gym.report.command import run as run_command

LAMBDAS = {"credit/Stochastic-v0": 1.0, "credit/StochasticNoisy-v0": 2.0}
METRICS = ("success", "top1", "loop_rate", "spearman", "sign", "nrmse")


def run(
    env_id: str,
    *,
    seeds: int = 15,
    tasks: int = 20,
    episodes: int = 64,
    policy_gradient: bool = False,
    workers: int = 1,
) -> Results:
    """Return Table 1 for one environment, the behaviour and the ceiling as its first rows."""
    rows = [
        replace(row, options={"lambda_": LAMBDAS[env_id]}) if row.scorer == "combined" else row for row in all_rows()
    ]
    trainers = ("score_table", "policy_gradient") if policy_gradient else ("score_table",)
    results = run_experiment(
        env_id,
        rows,
        seeds=seeds,
        episodes_per_task=episodes,
        trainers=trainers,
        workers=workers,
        arguments={"num_tasks": tasks},
    )
    models = [load_model(env_id, suite_seed=seed, arguments={"num_tasks": tasks}) for seed in range(seeds)]
    exact = {"behaviour": oracle.behaviour_success, "ceiling": oracle.ceiling}
    anchors = {
        name: {"success": summary([float(solve(model).mean()) for model in models])} for name, solve in exact.items()
    }
    return anchors | results


def main(
    seeds: Suites = 15,
    tasks: Annotated[int, typer.Option(help="Tasks in a suite.")] = 20,
    episodes: Annotated[int, typer.Option(help="Episodes of each task.")] = 64,
    policy_gradient: Annotated[bool, typer.Option(help="Also train each scorer on-policy (minutes).")] = False,
    workers: Processes = 2,
    json: JsonFile = None,
    plots: PlotFolder = None,
) -> None:
    """Table 1 on Stochastic-v0 and StochasticNoisy-v0."""
    metrics = METRICS + (("pg_success", "pg_curve_mean") if policy_gradient else ())
    merged: Results = {}
    tables = []
    for env_id, prefix in zip(LAMBDAS, ("", "noisy_"), strict=True):
        results = run(
            env_id, seeds=seeds, tasks=tasks, episodes=episodes, policy_gradient=policy_gradient, workers=workers
        )
        title = f"{env_id}: {seeds} seeds x {tasks} tasks x {episodes} episodes"
        tables.append(results_table(title, results, metrics))
        for row, values in results.items():
            merged.setdefault(row, {}).update({prefix + metric: value for metric, value in values.items()})
    if json:
        config = {"baseline": "stochastic", "seeds": seeds, "tasks": tasks, "episodes": episodes, "lambda": LAMBDAS}
        save_json(json, config, merged)
    publish(tables, plots=plots)


if __name__ == "__main__":
    run_command(main)
