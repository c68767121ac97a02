"""Tables 2 and 3: the 14 diagnostic tasks, each a disease of credit assignment, and the two manifests.

    python -m credit_gym.baselines.tables.diagnostic [--seeds N] [--json FILE] [--plots DIR]

Each cell is the exact success of the greedy score table (15 seeds x 6 instances x 64 episodes). ``combined`` is at 0 on
``regress`` and ``keydoor``, where the verifier's reading points the wrong way by more than its hindsight term weighs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from credit_gym.baselines.protocol.controlled import Row, all_rows, load_model
from credit_gym.baselines.protocol.experiment import Results, run_experiment, save_json, summary
from credit_gym.baselines.protocol.options import JsonFile, PlotFolder, Processes, Suites
from credit_gym.baselines.protocol.publish import publish
from credit_gym.baselines.protocol.scorer_rows import results_table
from credit_gym.envs.tabular.diagnostic import DIAGNOSTIC_TASKS
from credit_gym.exact import oracle
from credit_gym.report.command import run as run_command

MANIFESTS = {"webshop": "credit/WebShopManifest-v0", "alfworld": "credit/ALFWorldManifest-v0"}
HEADLINE = ("outcome_only", "branch_aware", "combined", "adaptive_q")


def run(rows: list[Row] | None = None, *, seeds: int = 15, exploration: float = 0.5, workers: int = 1) -> Results:
    """Return row -> task -> success, with ``success`` the mean over the 14 tasks, and the two manifests beside it."""
    rows = all_rows() if rows is None else rows
    results: Results = {}
    columns: dict[str, tuple[str, dict[str, Any]]] = {
        task: ("credit/Diagnostic-v0", {"task": task}) for task in DIAGNOSTIC_TASKS
    }
    columns |= {name: (env_id, {}) for name, env_id in MANIFESTS.items()}
    for column, (env_id, arguments) in columns.items():
        settings: dict[str, Any] = {"exploration": exploration, "arguments": arguments}
        judged = run_experiment(env_id, rows, seeds=seeds, workers=workers, **settings)
        for row, metrics in judged.items():
            results.setdefault(row, {})[column] = metrics["success"]
        models = [load_model(env_id, suite_seed=seed, **settings) for seed in range(seeds)]
        for name, solve in (("behaviour", oracle.behaviour_success), ("ceiling", oracle.ceiling)):
            exact = summary([float(solve(model).mean()) for model in models])
            results.setdefault(name, {})[column] = exact
    for metrics in results.values():
        per_seed = np.mean([metrics[task]["per_seed"] for task in DIAGNOSTIC_TASKS], axis=0)
        metrics["success"] = summary(per_seed.tolist())
    return {name: results[name] for name in ("behaviour", "ceiling", *(row.name for row in rows))}


def main(
    seeds: Suites = 15,
    workers: Processes = 2,
    json: JsonFile = None,
    plots: PlotFolder = None,
) -> None:
    """Tables 2 and 3, and the matrix of 14 tasks."""
    results = run(seeds=seeds, workers=workers)
    headline = {row: results[row] for row in ("behaviour", "ceiling", *HEADLINE)}
    if json:
        save_json(json, {"baseline": "diagnostic", "seeds": seeds, "instances": 6, "episodes": 64}, results)
    tables = [
        results_table(f"Table 2: means ({seeds} seeds)", headline, ("success", *MANIFESTS)),
        results_table(f"Table 3: each task ({seeds} seeds)", headline, tuple(DIAGNOSTIC_TASKS), spread=False),
        results_table("All scorers", results, ("success", *DIAGNOSTIC_TASKS, *MANIFESTS), spread=False),
    ]
    publish(tables, plots=plots)


if __name__ == "__main__":
    run_command(main)
