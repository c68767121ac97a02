"""Which credit trains a language model fastest, at equal sampled tokens?

    python -m credit_gym.baselines.studies.headline [--seeds N] [--share X] [--markdown FILE] [--plots DIR]

Five credits and outcome-only GRPO on Stochastic, 20 Questions and MultiAgentMath: the same small model, the same rate,
the same budget of sampled tokens, replayed branches included. Finished runs are kept and not made again.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.progress import Progress

from credit_gym.baselines.protocol.options import MarkdownFile, PlotFolder, TrainingProcesses
from credit_gym.baselines.protocol.seed_curve import seed_curve
from credit_gym.baselines.studies.headline.headline_games import GAMES
from credit_gym.baselines.studies.headline.headline_study import (
    BASELINE,
    POINTS,
    Curves,
    applies,
    at,
    cost_ratio,
    run_study,
)
from credit_gym.baselines.studies.headline.learner import RECIPES
from credit_gym.errors import unknown
from credit_gym.metrics.statistics import Estimate, paired_difference
from credit_gym.report import Table, console, show
from credit_gym.report.command import run as run_command
from credit_gym.report.plots import plot_curves, save
from credit_gym.report.table import to_markdown


def success_table(game: str, curves: Curves) -> Table:
    """Success along the run, and the paired difference of each credit to outcome-only GRPO."""
    budget = min(curve[-1].tokens for runs in curves.values() for curve in runs)
    rows = []
    for name, runs in curves.items():
        cells: list[Any] = [name]
        for marks in ((0.25,), (0.5,), (1.0,), np.linspace(0.0, 1.0, 4 * POINTS + 1)):
            own, base = (
                [float(np.mean([at(run, mark * budget) for mark in marks])) for run in each]
                for each in (runs, curves[BASELINE])
            )
            text = f"{np.mean(own):.3f}"
            if name != BASELINE:
                text += f" ({paired_difference(own, base):+.3f})"
            cells.append(text)
        rows.append(tuple(cells))
    seeds = len(curves[BASELINE])
    return Table(
        f"{game}: success (paired difference to {BASELINE}, 95 % t interval over {seeds} seeds)",
        ("credit", *(f"{round(mark * budget):,} tokens" for mark in (0.25, 0.5, 1.0)), "mean of the curve"),
        tuple(rows),
    )


def cost_table(studied: Mapping[str, Curves]) -> Table:
    """What each credit needs to reach the success that outcome-only GRPO ends at, over what GRPO spent."""
    rows = []
    for game, curves in studied.items():
        target = np.mean([curve[-1].success for curve in curves[BASELINE]])
        for name, runs in curves.items():
            ratios = [cost_ratio(runs, curves[BASELINE], column) for column in ("episodes", "tokens")]
            verdict = "yes" if ratios[0].value <= 0.5 else "no"
            rows.append((game, f"{target:.3f}", name, *map(_interval, ratios), verdict))
    title = f"Cost of reaching the success that {BASELINE} ends at, over what it spent (95 % bootstrap over seeds)"
    return Table(title, ("environment", "success", "credit", "episodes", "tokens", "half the episodes"), tuple(rows))


def _interval(ratio: Estimate) -> str:
    texts = [f"{value:.2f}" if np.isfinite(value) else "never" for value in ratio]
    return f"{texts[0]} [{texts[1]}, {texts[2]}]"


def main(
    seeds: Annotated[int, typer.Option(min=2, help="Runs of a credit, each with its own draws.")] = 5,
    share: Annotated[float, typer.Option(min=0.01, help="Share of each environment's budget of tokens.")] = 1.0,
    game: Annotated[list[str] | None, typer.Option(help=f"Only these of {', '.join(GAMES)}; repeatable.")] = None,
    credit: Annotated[list[str] | None, typer.Option(help=f"Only these of {', '.join(RECIPES)}; repeatable.")] = None,
    workers: TrainingProcesses = 2,
    folder: Annotated[Path, typer.Option(help="Where models and runs are kept.")] = Path("runs/headline"),
    markdown: MarkdownFile = None,
    plots: PlotFolder = None,
) -> None:
    """Train with every credit and compare."""
    for known, names in ((GAMES, game), (RECIPES, credit)):
        for name in names or ():
            if name not in known:
                raise unknown("environment" if known is GAMES else "credit", name, known)
    games = [name for name in GAMES if not game or name in game]
    recipes = [name for name in RECIPES if not credit or name in credit or name == BASELINE]
    total = seeds * sum(applies(each, recipe) for each in games for recipe in recipes)
    with Progress(console=console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("runs", total=total)
        studied = run_study(
            games, recipes, folder, seeds=seeds, share=share, workers=workers, on_run=lambda: progress.advance(bar)
        )
    tables = [cost_table(studied), *(success_table(each, curves) for each, curves in studied.items())]
    for table in tables:
        show(table)
    if markdown is not None:
        markdown.write_text("\n".join(map(to_markdown, tables)), encoding="utf-8")
    if plots is not None:
        plots.mkdir(parents=True, exist_ok=True)
        for each, curves in studied.items():
            lines = {name: seed_curve(runs, "tokens") for name, runs in curves.items()}
            figure = plot_curves(lines, x="sampled tokens", y=f"success on {each}")
            save(figure, plots / f"headline_{each.replace(' ', '_').lower()}.png")


if __name__ == "__main__":
    run_command(main)
