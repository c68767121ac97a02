"""CreditBench: every scorer on every controlled environment against the exact advantage.

    OPENBLAS_NUM_THREADS=1 python -m credit_gym.baselines.studies.creditbench [--seeds N] [--json FILE] [--plots DIR]
    ... creditbench --kept FOLDER --scorers evidence_lambda    # anew for one scorer, the others as they were kept

For each environment and seed one suite of tasks is sampled and every scorer sees the same episodes. Two trainers use
the credits (a greedy score table; an on-policy softmax policy gradient, 15 x 16 episodes); the credits themselves are
compared with the exact advantage of the behaviour (Spearman, Kendall, weighted sign, scale-free error, bias and
variance over replicate batches) and with the optimal one (top-1, N90: the least group size with top-1 >= 0.9). Scorers
of replay trees are compared with the exact advantage on trees of the stochastic suite.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from credit_gym import rng
from credit_gym.agents.learning.tabular import policy_gradient_curve
from credit_gym.agents.replay.allocation import FanOut, PerDecision
from credit_gym.baselines.protocol.controlled import Judge, Row, all_rows, load_model, sample_suite
from credit_gym.baselines.protocol.exact_columns import with_exact_columns
from credit_gym.baselines.protocol.experiment import Results, collect, save_json, summary
from credit_gym.baselines.protocol.options import PlotFolder, Processes
from credit_gym.baselines.protocol.publish import publish
from credit_gym.baselines.studies.counterfactual import compare
from credit_gym.baselines.studies.counterfactual_methods import Method
from credit_gym.baselines.studies.leaderboard import SIZED, leaderboard, markdown
from credit_gym.data.foreign_text import file_text, read_json
from credit_gym.data.grouping import FloatArray
from credit_gym.envs.tabular.diagnostic import DIAGNOSTIC_TASKS
from credit_gym.envs.tabular.env import stochastic
from credit_gym.errors import unknown
from credit_gym.exact.tabular_model import TabularModel
from credit_gym.metrics import fidelity as metrics
from credit_gym.report import Table
from credit_gym.report.command import run as run_command
from credit_gym.scorers import get, score

SUITES: dict[str, tuple[str, dict[str, str]]] = {
    "stochastic": ("credit/Stochastic-v0", {}),
    "stochastic_noisy": ("credit/StochasticNoisy-v0", {}),
    **{task: ("credit/Diagnostic-v0", {"task": task}) for task in DIAGNOSTIC_TASKS},
    "webshop_manifest": ("credit/WebShopManifest-v0", {}),
    "alfworld_manifest": ("credit/ALFWorldManifest-v0", {}),
}
GROUP_SIZES = (8, 16, 32, 64, 128, 256, 512)
REPLICATES = 16


RECORDED = (
    Row("delta_belief"),
    Row("high_water_mark"),
    Row("igpo"),
    Row("igpo", {"by_turn": True, "rescale": True, "weight": 0.3}, "igpo, as A2TGPO"),
    Row("istar", label="istar-like"),
    Row("modulate", label="grpo, by empg"),
    Row("modulate", {"by": "aem-like"}, "grpo, by aem-like"),
    Row("modulate", {"by": "carl-like"}, "grpo, by carl-like"),
    Row("modulate", {"base": "gigpo"}, "gigpo, by empg"),
)
"""Scorers of what a model would have recorded (:mod:`credit_gym.baselines.protocol.exact_columns`)."""


def bench_rows() -> list[Row]:
    """Return the rows of the leaderboard, the oracle last."""
    *scorers, oracle = all_rows()
    return [*scorers, *RECORDED, oracle]


def bench_seed(suite: str, seed: int, rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Run one environment and seed: row -> metric -> mean over tasks."""
    env_id, arguments = SUITES[suite]
    model = load_model(env_id, suite_seed=seed, arguments=arguments)
    judge = _judge(model, 64, seed)
    result = {}
    for row in rows:
        found = judge.judge(score(judge.batch, row.scorer, **row.options), seed=seed)
        curve = policy_gradient_curve(
            model,
            row.scorer,
            seed=seed,
            annotate=partial(with_exact_columns, model=model) if row in RECORDED else None,
            **row.options,
        )
        result[row.name] = {name: _mean(values) for name, values in found.items()} | {"pg_success": _mean(curve[-1])}
    replicates = _bias_variance(model, rows, seed)
    curves = {size: _top1(model, rows, size, seed) for size in GROUP_SIZES} if suite in SIZED else {}
    for name in result:
        result[name]["bias2"], result[name]["variance"] = replicates[name]
        result[name] |= {f"top1@{size}": found[name] for size, found in curves.items()}
    return result


def run(
    *, seeds: int = 5, workers: int = 2, scorers: Collection[str] = (), kept: Path | None = None
) -> dict[str, Results]:
    """Return suite -> row -> metric -> summary over seeds; ``n90`` on the suites of ``SIZED``.

    Args:
        seeds: suites of tasks an environment.
        workers: processes.
        scorers: rows that are computed anew; of the others those that were kept are taken as they are.
        kept: a folder that keeps what was computed, a file an environment and seed.

    Raises:
        UnknownNameError: there is no such row.
    """
    names = [row.name for row in bench_rows()]
    for name in scorers:
        if name not in names:
            raise unknown("row", name, names)
    jobs = [(suite, seed) for seed in range(seeds) for suite in SUITES]
    with ProcessPoolExecutor(workers) as pool:
        found = pool.map(partial(_kept_seed, scorers=frozenset(scorers), kept=kept), *zip(*jobs, strict=True))
        judged = dict(zip(jobs, found, strict=True))
    results = {suite: collect([judged[suite, seed] for seed in range(seeds)]) for suite in SUITES}
    for suite in SIZED:
        for found_of in results[suite].values():
            found_of["n90"] = summary([_n90(found_of)])
    return results


def tree_table(questions: int, seed: int = 0) -> Table:
    """Return how the credits of replay trees agree with the exact advantage, beside those of flat episodes."""
    even = PerDecision(draws=3, replays=2)
    on_trees = [
        Method("tempo", even, "tempo"),
        Method("at2po", even, "at2po"),
        Method("at2po, against the parent", even, "at2po", {"against": "parent"}),
        Method("tree_grpo", even, "tree_grpo"),
        Method("vine", even, "vine"),
        Method("c3", even, "c3"),
        Method("counterfactual", even, "counterfactual", {"draws": 3}),
        Method("grpo, on the tree", even, "grpo"),
        Method("evidence_lambda, on the tree", even, "evidence_lambda"),
    ]
    flat = [Method(name, FanOut((42,)), name) for name in ("grpo", "crbc", "td_error", "evidence_lambda")]
    title = f"Replay trees: {questions} of Stochastic-v0, 3 draws x 2 replays at every decision, and 42 flat episodes"
    return compare(title, partial(stochastic, num_tasks=20), on_trees + flat, questions=questions, seed=seed)


def _kept_seed(suite: str, seed: int, *, scorers: frozenset[str], kept: Path | None) -> dict[str, dict[str, float]]:
    """What :func:`bench_seed` gives, as far as possible out of a file, which then has all of it."""
    rows, path = bench_rows(), None if kept is None else kept / f"{suite}-{seed}.json"
    known = read_json(file_text(path)) if path is not None and path.exists() else {}
    due = [row for row in rows if row.name in scorers or row.name not in known]
    if due:
        known |= bench_seed(suite, seed, due)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(known), encoding="utf-8")
    return {row.name: known[row.name] for row in rows}


def _judge(model: TabularModel, episodes_per_task: int, seed: int) -> Judge:
    batch = sample_suite(model, episodes_per_task=episodes_per_task, seed=seed)
    return Judge.of(model, with_exact_columns(batch, model, model.mean_behaviour))


def _bias_variance(model: TabularModel, rows: Sequence[Row], seed: int) -> dict[str, tuple[float, float]]:
    """Relative bias^2 and variance of each row's credit table over replicate batches of 64 episodes."""
    judges = [_judge(model, 64, rng.derive(seed, replicate)) for replicate in range(1, REPLICATES + 1)]
    mask = metrics.decision_mask(judges[0].behaviour, np.all([judge.observed for judge in judges], axis=0))
    return {
        row.name: metrics.bias_variance(
            np.stack([judge.table(score(judge.batch, row.scorer, **row.options)) for judge in judges]),
            judges[0].behaviour,
            mask,
        )
        for row in rows
    }


def _top1(model: TabularModel, rows: Sequence[Row], size: int, seed: int) -> dict[str, float]:
    judge = _judge(model, size, seed)
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
    scorers: Annotated[str, typer.Option(help="Rows to compute anew, such as grpo;gae; the others as kept.")] = "",
    kept: Annotated[Path | None, typer.Option(help="Folder that keeps what was computed, to go on from.")] = None,
    questions: Annotated[int, typer.Option(help="Replay trees.")] = 200,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all metrics here.")] = None,
    markdown_file: Annotated[Path | None, typer.Option("--markdown", help="Write the leaderboard here.")] = None,
    plots: PlotFolder = None,
) -> None:
    """The leaderboard of every scorer on every controlled environment."""
    wanted = [name.strip() for name in scorers.split(";") if name.strip()]
    results = run(seeds=seeds, workers=workers, scorers=wanted, kept=kept)
    board = [*leaderboard(results, list(DIAGNOSTIC_TASKS), _reads()), tree_table(questions)]
    if json_file:
        by_scorer = {row: {suite: results[suite][row] for suite in results} for row in results["stochastic"]}
        save_json(json_file, {"baseline": "creditbench", "seeds": seeds}, by_scorer)
    if markdown_file:
        markdown_file.write_text(markdown(board, seeds), encoding="utf-8")
    publish(board, plots=plots)


def _reads() -> dict[str, str]:
    """Row -> what it reads beside the trajectories."""
    needs = {row.name: get(row.scorer).needs_with(row.options) for row in bench_rows()}
    return {name: ", ".join(sorted(columns)) or "trajectories" for name, columns in needs.items()}


if __name__ == "__main__":
    run_command(main)
