"""CreditBench: every scorer on every controlled environment against the exact advantage.

    OPENBLAS_NUM_THREADS=1 python -m credit_gym.baselines.studies.creditbench [--seeds N] [--json FILE]

For each environment and seed one suite of tasks is sampled and every scorer sees the same episodes. Two trainers use
the credits (a greedy score table; an on-policy softmax policy gradient, 15 x 16 episodes); the credits themselves are
compared with the exact advantage of the behaviour (Spearman, Kendall, weighted sign, scale-free error, bias and
variance over replicate batches) and with the optimal one (top-1, N90: the least group size with top-1 >= 0.9).
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from credit_gym import rng
from credit_gym.baselines.protocol.controlled import Judge, Row, all_rows, judge_suite, load_model, sample_suite
from credit_gym.baselines.protocol.experiment import Results, collect, save_json, summary
from credit_gym.baselines.protocol.options import Processes
from credit_gym.baselines.studies.leaderboard import leaderboard, markdown
from credit_gym.data.grouping import FloatArray
from credit_gym.envs.tabular.diagnostic import DIAGNOSTIC_TASKS
from credit_gym.exact.tabular_model import TabularModel
from credit_gym.metrics import fidelity as metrics
from credit_gym.report import show
from credit_gym.report.command import run as run_command
from credit_gym.scorers import score

SUITES: dict[str, tuple[str, dict[str, str]]] = {
    "stochastic": ("credit/Stochastic-v0", {}),
    "stochastic_noisy": ("credit/StochasticNoisy-v0", {}),
    **{task: ("credit/Diagnostic-v0", {"task": task}) for task in DIAGNOSTIC_TASKS},
    "webshop_manifest": ("credit/WebShopManifest-v0", {}),
    "alfworld_manifest": ("credit/ALFWorldManifest-v0", {}),
}
GROUP_SIZES = (8, 16, 32, 64, 128, 256, 512)
REPLICATES = 16


def bench_seed(suite: str, seed: int) -> dict[str, dict[str, float]]:
    """Run one environment and seed: row -> metric -> mean over tasks."""
    env_id, arguments = SUITES[suite]
    model, rows = load_model(env_id, suite_seed=seed, arguments=arguments), all_rows()
    judged = judge_suite(model, rows, episodes_per_task=64, seed=seed, trainers=("score_table", "policy_gradient"))
    result = {row: {name: _mean(values) for name, values in found.items()} for row, found in judged.items()}
    replicates = _bias_variance(model, rows, seed)
    curves = {size: _top1(model, rows, size, seed) for size in GROUP_SIZES}
    for row in result:
        result[row]["bias2"], result[row]["variance"] = replicates[row]
        for size in GROUP_SIZES:
            result[row][f"top1@{size}"] = curves[size][row]
    return result


def run(*, seeds: int = 5, workers: int = 2) -> dict[str, Results]:
    """Return suite -> row -> metric -> summary over seeds, ``n90`` included."""
    jobs = [(suite, seed) for suite in SUITES for seed in range(seeds)]
    with ProcessPoolExecutor(workers) as pool:
        judged = dict(zip(jobs, pool.map(bench_seed, *zip(*jobs, strict=True)), strict=True))
    results = {suite: collect([judged[suite, seed] for seed in range(seeds)]) for suite in SUITES}
    for rows in results.values():
        for found in rows.values():
            found["n90"] = summary([_n90(found)])
    return results


def _bias_variance(model: TabularModel, rows: list[Row], seed: int) -> dict[str, tuple[float, float]]:
    """Relative bias^2 and variance of each row's credit table over replicate batches of 64 episodes."""
    judges = [
        Judge.of(model, sample_suite(model, episodes_per_task=64, seed=rng.derive(seed, replicate)))
        for replicate in range(1, REPLICATES + 1)
    ]
    mask = metrics.decision_mask(judges[0].behaviour, np.all([judge.observed for judge in judges], axis=0))
    return {
        row.name: metrics.bias_variance(
            np.stack([judge.table(score(judge.batch, row.scorer, **row.options)) for judge in judges]),
            judges[0].behaviour,
            mask,
        )
        for row in rows
    }


def _top1(model: TabularModel, rows: list[Row], size: int, seed: int) -> dict[str, float]:
    judge = Judge.of(model, sample_suite(model, episodes_per_task=size, seed=seed))
    return {
        row.name: _mean(judge.judge(score(judge.batch, row.scorer, **row.options), seed=seed)["top1"]) for row in rows
    }


def _n90(found: Mapping[str, Mapping[str, Any]]) -> float:
    """Least group size from which on top-1 stays at 0.9 or more; infinite if the largest does not reach it."""
    reached = float("inf")
    for size in reversed(GROUP_SIZES):
        if not found[f"top1@{size}"]["mean"] >= 0.9:
            break
        reached = float(size)
    return reached


def _mean(values: FloatArray) -> float:
    present = values[np.isfinite(values)]
    return float(present.mean()) if present.size else float("nan")


def main(
    seeds: Annotated[int, typer.Option(help="Suites of tasks per environment.")] = 5,
    workers: Processes = 2,
    json: Annotated[Path | None, typer.Option(help="Write all metrics here.")] = None,
    markdown_file: Annotated[Path | None, typer.Option("--markdown", help="Write the leaderboard here.")] = None,
) -> None:
    """The leaderboard of every scorer on every controlled environment."""
    results = run(seeds=seeds, workers=workers)
    board = leaderboard(results, list(DIAGNOSTIC_TASKS))
    for table in board:
        show(table)
    if json:
        by_scorer = {row: {suite: results[suite][row] for suite in results} for row in results["stochastic"]}
        save_json(json, {"baseline": "creditbench", "seeds": seeds}, by_scorer)
    if markdown_file:
        markdown_file.write_text(markdown(board, seeds), encoding="utf-8")


if __name__ == "__main__":
    run_command(main)
