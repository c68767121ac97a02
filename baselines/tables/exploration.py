"""Table 6: how much the behaviour explores (epsilon .1 to .9), on the stochastic and the diagnostic tasks.

python -m credit_gym.baselines.tables.exploration [--seeds N] [--json FILE] [--plots DIR]
"""

from __future__ import annotations

from credit_gym.baselines.protocol.controlled import Row
from credit_gym.baselines.protocol.experiment import Results, run_experiment, save_json
from credit_gym.baselines.protocol.options import JsonFile, PlotFolder, Processes, Suites
from credit_gym.baselines.protocol.publish import publish
from credit_gym.baselines.protocol.scorer_rows import results_table
from credit_gym.baselines.tables import diagnostic
from credit_gym.report.command import run as run_command

RATES = (0.1, 0.3, 0.5, 0.7, 0.9)
ROWS = [Row(name) for name in ("outcome_only", "gigpo", "crbc", "hindsight", "branch_aware", "combined", "adaptive_q")]


def run(*, seeds: int = 15, workers: int = 1) -> Results:
    """Return row -> "stochastic .1" and so on -> success."""
    results: Results = {row.name: {} for row in ROWS}
    for rate in RATES:
        stochastic = run_experiment("credit/Stochastic-v0", ROWS, seeds=seeds, exploration=rate, workers=workers)
        diagnosed = diagnostic.run(ROWS, seeds=seeds, exploration=rate, workers=workers)
        for row in results:
            results[row][f"stochastic {rate:g}"] = stochastic[row]["success"]
            results[row][f"diagnostic {rate:g}"] = diagnosed[row]["success"]
    for metrics in results.values():
        metrics["success"] = metrics["stochastic 0.5"]
    return results


def main(
    seeds: Suites = 15,
    workers: Processes = 2,
    json: JsonFile = None,
    plots: PlotFolder = None,
) -> None:
    """Table 6 on Stochastic-v0 and the mean of the 14 diagnostics."""
    results = run(seeds=seeds, workers=workers)
    if json:
        save_json(json, {"baseline": "exploration", "seeds": seeds, "rates": list(RATES)}, results)
    tables = [
        results_table(f"Table 6, {suite} ({seeds} seeds)", results, tuple(f"{suite} {rate:g}" for rate in RATES))
        for suite in ("stochastic", "diagnostic")
    ]
    publish(tables, plots=plots)


if __name__ == "__main__":
    run_command(main)
