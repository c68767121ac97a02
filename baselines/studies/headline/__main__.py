"""Which credit trains a small language model fastest, at equal sampled tokens and in the same trust region?

    python -m credit_gym.baselines.studies.headline [--seeds N] [--pilots N] [--json FILE] [--markdown FILE]
        [--plots DIR]

GRPO, credits per step and the exact advantage as their ceiling on Stochastic, 20 Questions, ALFWorld and
MultiAgentMath. Each credit's rate is chosen on pilot seeds. Finished runs are kept and not made again.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.progress import Progress

from credit_gym.baselines.protocol.options import JsonFile, MarkdownFile, PlotFolder, TrainingProcesses
from credit_gym.baselines.protocol.publish import publish
from credit_gym.baselines.protocol.seed_curve import seed_curve
from credit_gym.baselines.studies.headline.headline_games import GAMES
from credit_gym.baselines.studies.headline.headline_study import (
    POINTS,
    RATES,
    Curves,
    Studied,
    cost_of,
    cost_ratio,
    run_study,
)
from credit_gym.baselines.studies.headline.learner import BASELINE, RECIPES
from credit_gym.errors import unknown
from credit_gym.metrics.statistics import Estimate, paired_difference
from credit_gym.report import Table, console
from credit_gym.report.command import run as run_command
from credit_gym.report.plots import plot_curves, save


def rate_table(studied: Mapping[str, Studied]) -> Table:
    """Mean success over the curve by rate on the pilot seeds, the chosen rate marked."""
    rates = sorted({rate for found in studied.values() for heights in found.pilots.values() for rate in heights})
    rows = [
        (
            game,
            credit,
            *(f"{found.pilots[credit][rate]:.3f}{' *' * (rate == found.rates[credit])}" for rate in rates),
        )
        for game, found in studied.items()
        for credit in found.curves
    ]
    title = "Mean success over the curve on the pilot seeds, by rate (* chosen: the least within a tenth of the best)"
    return Table(title, ("environment", "credit", *(f"{rate:g}" for rate in rates)), tuple(rows))


def cost_table(studied: Mapping[str, Studied]) -> Table:
    """What each credit needs to reach the success that GRPO ends at, over what GRPO needs."""
    rows = []
    for game, found in studied.items():
        base = found.curves[BASELINE]
        target = float(np.mean([curve[-1].success for curve in base]))
        for name, runs in found.curves.items():
            ratios = [cost_ratio(runs, base, column) for column in ("episodes", "tokens")]
            spent = cost_of(runs, target, "episodes")
            verdict = "yes" if ratios[0].value <= 0.5 else "no"
            rows.append((game, f"{target:.3f}", name, _number(spent, ",.0f"), *map(_interval, ratios), verdict))
    title = (
        f"Cost of reaching the success that {BASELINE} ends at, over what {BASELINE} needs (95 % bootstrap over seeds)"
    )
    header = ("environment", "success", "credit", "episodes", "ratio of episodes", "ratio of tokens", "half")
    return Table(title, header, tuple(rows))


def success_table(game: str, curves: Curves) -> Table:
    """Success along the run, and the paired difference of each credit to GRPO."""
    marks: dict[str, tuple[int, ...]] = {
        f"{round(curves[BASELINE][0][mark].tokens):,} tokens": (mark,) for mark in (POINTS // 4, POINTS // 2, POINTS)
    }
    marks["mean of the curve"] = tuple(range(POINTS + 1))
    rows = []
    for name, runs in curves.items():
        cells: list[Any] = [name]
        for places in marks.values():
            own, base = (
                [float(np.mean([run[place].success for place in places])) for run in each]
                for each in (runs, curves[BASELINE])
            )
            text = f"{np.mean(own):.3f}"
            cells.append(text if name == BASELINE else f"{text} ({paired_difference(own, base):+.3f})")
        rows.append(tuple(cells))
    title = f"{game}: success (paired difference to {BASELINE}, 95 % t interval over {len(curves[BASELINE])} seeds)"
    return Table(title, ("credit", *marks), tuple(rows))


def _interval(ratio: Estimate) -> str:
    value, low, high = (_number(number, ".2f") for number in ratio)
    return f"{value} [{low}, {high}]"


def _number(number: float, form: str) -> str:
    return format(number, form) if np.isfinite(number) else "never"


def main(
    seeds: Annotated[int, typer.Option(min=2, help="Runs of a credit, each with its own draws.")] = 5,
    pilots: Annotated[int, typer.Option(min=1, help="Runs of a credit and a rate that the rate is chosen by.")] = 1,
    share: Annotated[float, typer.Option(min=0.01, help="Share of each environment's budget of tokens.")] = 1.0,
    game: Annotated[list[str] | None, typer.Option(help=f"Only these of {', '.join(GAMES)}; repeatable.")] = None,
    credit: Annotated[list[str] | None, typer.Option(help=f"Only these of {', '.join(RECIPES)}; repeatable.")] = None,
    rate: Annotated[list[float] | None, typer.Option(help="Rates to choose from; repeatable.")] = None,
    workers: TrainingProcesses = 2,
    folder: Annotated[Path, typer.Option(help="Where models and runs are kept.")] = Path("runs/headline"),
    json: JsonFile = None,
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
    rates = tuple(rate or RATES)
    total = len(games) * len(recipes) * (seeds + pilots * len(rates))
    with Progress(console=console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("runs", total=total)
        studied = run_study(
            games,
            recipes,
            folder,
            seeds=seeds,
            pilots=pilots,
            rates=rates,
            share=share,
            workers=workers,
            on_run=lambda: progress.advance(bar),
        )
    tables = [cost_table(studied), *(success_table(each, found.curves) for each, found in studied.items())]
    tables.append(rate_table(studied))
    if json is not None:
        json.write_text(dumps({each: found._asdict() for each, found in studied.items()}), encoding="utf-8")
    publish(tables, markdown, plots)
    if plots is not None:
        for each, found in studied.items():
            lines = {name: seed_curve(runs, "tokens") for name, runs in found.curves.items()}
            figure = plot_curves(lines, x="sampled tokens", y=f"success on {each}")
            save(figure, plots / f"headline_{each.replace(' ', '_').lower()}.png")


if __name__ == "__main__":
    run_command(main)
