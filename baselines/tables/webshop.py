"""WebShop with credit on every step: play, score the same episodes several ways, compare with the optimal shopper.

    python -m credit_gym.baselines.tables.webshop [--episodes N] [--agent SPEC] [--json FILE] [--plots DIR]

The noisy shopper plays groups of rollouts in the invented catalogue (in the published one where ``WEBSHOP_DATA`` is
set), beside the optimal one and a random one on the same goals. The paper's score is the mean reward times 100. Scorers
are judged as in :mod:`credit_gym.baselines.protocol.collection`. The last table is the WebShop row of the diagnostic
suite.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from credit_gym.baselines.protocol.collection import Plan, collect, comparison_table, play, write_outputs
from credit_gym.baselines.protocol.controlled import all_rows
from credit_gym.baselines.protocol.experiment import Results, run_experiment, save_json
from credit_gym.baselines.protocol.options import JsonFile, PlotFolder, RunsFolder
from credit_gym.baselines.protocol.publish import publish
from credit_gym.baselines.protocol.scorer_rows import results_table
from credit_gym.baselines.tables.diagnostic import HEADLINE, MANIFESTS
from credit_gym.data.episode import Episode
from credit_gym.envs.webshop.trials import write_trials
from credit_gym.report import Table
from credit_gym.report.command import run as run_command

ENV_ID = "credit/WebShop-v0"
REFERENCES = ("expert", "random")


def summarise(episodes: Sequence[Episode]) -> dict[str, float]:
    """Return ``score`` (mean reward times 100), ``success`` and ``steps`` (means) of some episodes."""
    return {
        "score": 100 * float(np.mean([episode.episode_return for episode in episodes])),
        "success": float(np.mean([episode.success for episode in episodes])),
        "steps": float(np.mean([len(episode) for episode in episodes])),
    }


def manifest_rows(seeds: int) -> Results:
    """Return the WebShop manifest's part of the diagnostic table: row -> metric -> summary over seeds."""
    rows = [row for row in all_rows() if row.name in HEADLINE]
    return run_experiment(MANIFESTS["webshop"], rows, seeds=seeds)


def main(
    episodes: Annotated[int, typer.Option(help="Episodes in all.")] = 96,
    group_size: Annotated[int, typer.Option(help="Rollouts of each goal.")] = 8,
    agent: Annotated[str, typer.Option(help="Who plays.")] = "noisy:0.6",
    max_turns: Annotated[int, typer.Option(help="Step limit.")] = 15,
    split: Annotated[str, typer.Option(help="train, eval, test or all.")] = "train",
    seed: Annotated[int, typer.Option(help="Seed of the run.")] = 7,
    manifest_seeds: Annotated[int, typer.Option(help="Suites of the manifest's tasks, 0 for none.")] = 3,
    trials: Annotated[bool, typer.Option(help="Also write best-of-N folders.")] = False,
    runs_dir: RunsFolder = Path("runs"),
    json: JsonFile = None,
    plots: PlotFolder = None,
) -> None:
    """Play, score, compare, and write ``runs/<id>/``."""
    arguments = {"split": split, "max_steps": max_turns}
    plan = Plan(episodes, group_size, seed)
    found = collect(ENV_ID, arguments, agent, plan, runs_dir=runs_dir)
    scores = {agent: summarise(found.completed)}
    for name in REFERENCES:
        if name != agent:
            played = play(ENV_ID, arguments, name, plan)
            scores[name] = summarise([episode for episode in played if episode.error is None])
    shoppers = Table(
        f"WebShop: {len(found.completed)} episodes each",
        ("shopper", "score", "success", "steps"),
        tuple(
            (name, f"{mean['score']:.1f}", f"{100 * mean['success']:.1f} %", f"{mean['steps']:.1f}")
            for name, mean in scores.items()
        ),
    )
    comparison = comparison_table(f"Credits of {agent} against the optimal shopper", found.comparison)
    tables = [shoppers, comparison]
    results: dict[str, Any] = {"shoppers": scores, "scorers": found.comparison}
    if manifest_seeds:
        results["manifest"] = manifest_rows(manifest_seeds)
        title = f"WebShop manifest ({manifest_seeds} seeds)"
        tables.append(results_table(title, results["manifest"], ("success", "top1")))
    write_outputs(found, f"WebShop, {agent}", [shoppers, comparison])
    if trials:
        write_trials(found.folder / "trials", found.completed)
    typer.echo(f"{found.folder}/ holds store.sqlite, targets.parquet and report.html.")
    if json:
        save_json(json, {"baseline": "webshop", "agent": agent, **arguments, **plan._asdict()}, results)
    publish(tables, plots=plots)


if __name__ == "__main__":
    run_command(main)
