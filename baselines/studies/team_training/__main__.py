"""Which credit trains a team faster? Every recipe, several seeds, paired intervals.

    python -m credit_gym.baselines.studies.team_training [--seeds N] [--steps N] [--markdown FILE] [--plots DIR]

At equal gradient steps the tree (12 leaves) costs as many evaluator calls as 12 flat episodes and as many sampled
messages as 6; both are trained.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.progress import Progress

from credit_gym.baselines.protocol.options import MarkdownFile, PlotFolder, TrainingProcesses
from credit_gym.baselines.protocol.publish import publish
from credit_gym.baselines.protocol.seed_curve import seed_curve
from credit_gym.baselines.studies.team_training.team_policy_gradient import RECIPES
from credit_gym.baselines.studies.team_training.team_study import EVERY, Curves, fidelity, run_study
from credit_gym.metrics.statistics import paired_difference, t_interval
from credit_gym.report import Table, console
from credit_gym.report.command import run as run_command
from credit_gym.report.plots import plot_curves, save

BASELINE = "c3"


def success_table(curves: Curves, steps: int) -> Table:
    """Exact success along the run, and the paired difference of each recipe to C3."""
    marks = sorted({steps // 4 // EVERY * EVERY, steps // 2 // EVERY * EVERY, steps // EVERY * EVERY} - {0})
    rows = []
    for name, runs in curves.items():
        cells: list[Any] = [name, RECIPES[name].calls * steps, RECIPES[name].messages * steps]
        for mark in marks:
            own, base = at(curves, name, mark), at(curves, BASELINE, mark)
            text = f"{np.mean(own):.3f}"
            if name != BASELINE:
                text += f" ({paired_difference(own, base):+.3f})"
            cells.append(text)
        mean = [np.mean([point.success for point in run]) for run in runs]
        base_mean = [np.mean([point.success for point in run]) for run in curves[BASELINE]]
        text = f"{np.mean(mean):.3f}"
        if name != BASELINE:
            text += f" ({paired_difference(mean, base_mean):+.3f})"
        rows.append((*cells, text))
    header = ("credit", "evaluator calls", "messages", *(f"{mark} steps" for mark in marks), "mean of the curve")
    seeds = len(curves[BASELINE])
    title = f"Exact success (paired difference to {BASELINE}, 95 % t interval over {seeds} seeds)"
    return Table(title, header, tuple(rows))


def budget_table(curves: Curves, steps: int) -> Table:
    """C3 against the flat recipes after equally many messages, and after equally many evaluator calls."""
    rows = []
    for name in curves:
        recipe, reference = RECIPES[name], RECIPES[BASELINE]
        if name == BASELINE or recipe.credit is None:
            continue
        cells: list[Any] = [name]
        for own, base in ((recipe.messages, reference.messages), (recipe.calls, reference.calls)):
            budget = min(own, base) * steps
            mine, theirs = (budget // cost // EVERY * EVERY for cost in (own, base))
            a, b = at(curves, name, mine), at(curves, BASELINE, theirs)
            cells.append(f"{mine} / {theirs}: {paired_difference(b, a):+.3f}")
        rows.append(tuple(cells))
    title = f"{BASELINE} minus each credit at equal cost (steps of the credit / steps of {BASELINE}: difference)"
    return Table(title, ("credit", "equal messages", "equal evaluator calls"), tuple(rows))


def fidelity_table(names: list[str], seeds: int) -> Table:
    """How each credit ranks an untrained team's messages by exact advantage."""
    rows = []
    for name in names:
        if RECIPES[name].credit is not None and not RECIPES[name].solo:
            found = np.array([fidelity(RECIPES[name], seed) for seed in range(seeds)])
            rows.append((name, *(f"{t_interval(column):.3f}" for column in found.T)))
    title = "Spearman correlation with the exact advantage before training (95 % t interval over seeds)"
    return Table(title, ("credit", "all roles", "planner", "checker", "solver"), tuple(rows))


def at(curves: Curves, name: str, steps: int) -> list[float]:
    """Success of every seed after a number of steps."""
    return [point.success for run in curves[name] for point in run if point.steps == steps]


def main(
    seeds: Annotated[int, typer.Option(min=2, help="Games, each with its own random start.")] = 5,
    steps: Annotated[int, typer.Option(min=EVERY, help="Gradient steps of a run.")] = 160,
    recipe: Annotated[list[str] | None, typer.Option(help="Only these; repeatable.")] = None,
    workers: TrainingProcesses = 2,
    folder: Annotated[Path, typer.Option(help="Where finished runs are kept.")] = Path("runs/team"),
    markdown: MarkdownFile = None,
    plots: PlotFolder = None,
) -> None:
    """Train with every credit and compare."""
    chosen = [name for name in RECIPES if not recipe or name in recipe or name == BASELINE]
    with Progress(console=console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("runs", total=seeds * len(chosen))
        curves = run_study(
            chosen, folder, steps=steps, seeds=seeds, workers=workers, on_run=lambda: progress.advance(bar)
        )
    tables = [success_table(curves, steps), budget_table(curves, steps), fidelity_table(chosen, seeds)]
    publish(tables, markdown, plots)
    if plots is not None:
        lines = {name: seed_curve(runs, "steps") for name, runs in curves.items()}
        save(plot_curves(lines, x="gradient steps", y="exact success"), plots / "team_training.png")


if __name__ == "__main__":
    run_command(main)
