"""Does belief credit train faster? The guessing-game study: every recipe, several seeds, paired intervals.

    python -m credit_gym.baselines.studies.delta_belief [--seeds N] [--games N] [--workers N] [--markdown FILE]
        [--plots DIR]

    python -m credit_gym.baselines.studies.delta_belief --model openai:MODEL@URL --judge openai:JUDGE@URL [--env ID]

The published claim is that turn-wise GRPO with belief credit beats trajectory-level GRPO; there the two also differ in
the advantage's granularity and in the aggregation of the loss. Here everything else is equal, and granularity and
belief are crossed. With ``--best-of N`` the taught model also plays the best of N moves by belief gain.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.progress import Progress

from credit_gym.baselines.protocol.options import MarkdownFile, PlotFolder, TrainingProcesses
from credit_gym.baselines.protocol.publish import publish
from credit_gym.baselines.protocol.seed_curve import seed_curve
from credit_gym.baselines.studies.delta_belief.guessing_best_of import success
from credit_gym.baselines.studies.delta_belief.guessing_game import TURNS, make_table
from credit_gym.baselines.studies.delta_belief.guessing_model import load_or_teach
from credit_gym.baselines.studies.delta_belief.guessing_study import (
    CHECKPOINTS,
    TEACHING_STEPS,
    Plan,
    belief_growth,
    gain_correlation,
    run_study,
    trained,
)
from credit_gym.baselines.studies.delta_belief.guessing_training import RECIPES, Point, evaluate
from credit_gym.baselines.studies.delta_belief.published_evaluation import games_table, play_games
from credit_gym.metrics.statistics import paired_difference
from credit_gym.report import Table, console
from credit_gym.report.command import run as run_command
from credit_gym.report.plots import Curve, plot_curves, save

BASELINE = "trajectory"
CROSSED = ("trajectory", "trajectory + belief", "turn-wise", "turn-wise + belief")
LONG = ("trajectory", "turn-wise + belief")
FEWER_SEEDS = (
    "return-to-go",
    "published baseline (zero fill)",
    "turn-wise + raw gain",
    "turn-wise + tanh",
    "turn-wise + group min-max",
)
GAMES = 38_400

Curves = Mapping[str, Sequence[Sequence[Point]]]


def success_table(curves: Curves) -> Table:
    """Success at every checkpoint: mean over seeds, and the paired difference to the trajectory baseline."""
    points = [point for point in CHECKPOINTS if any(p.games == point for runs in curves.values() for p in runs[0])]
    rows = []
    for recipe, runs in curves.items():
        cells: list[Any] = [recipe, len(runs)]
        for games in points:
            own = at(runs, games)
            base = at(curves[BASELINE], games)
            if not own:
                cells.append(None)
            elif recipe == BASELINE or len(base) < len(own):
                cells.append(f"{np.mean(own):.3f}")
            else:
                cells.append(f"{np.mean(own):.3f} ({paired_difference(own, base[: len(own)]):+.3f})")
        rows.append(tuple(cells))
    header = ("credit", "seeds", *(f"{games:,} games" for games in points))
    return Table("Success (paired difference to trajectory, 95 % t interval over seeds)", header, tuple(rows))


def behaviour_table(curves: Curves, taught: Point, games: int) -> Table:
    """How the trained policies play at one checkpoint, mean and range over seeds."""
    names = ("success", "pass_at_8", "turns", "repeated", "guessed", "legal")
    rows: list[tuple[Any, ...]] = [("taught, not trained", *(f"{getattr(taught, name):.3f}" for name in names))]
    for recipe, runs in curves.items():
        found = [p for run in runs for p in run if p.games == games]
        if found:
            values = [[getattr(p, name) for p in found] for name in names]
            rows.append((recipe, *(f"{np.mean(v):.3f} [{min(v):.3f}, {max(v):.3f}]" for v in values)))
    return Table(f"Play after {games:,} games, mean [lowest, highest seed]", ("credit", *names), tuple(rows))


def correlation_table(models: Mapping[str, Any]) -> Table:
    """How well belief credit ranks questions by their exact information gain."""
    table = make_table()
    rows = tuple(
        (name, belief, f"{found:.3f}")
        for name, model in models.items()
        for belief, found in gain_correlation(model, table).items()
    )
    title = "Spearman correlation of belief gain with exact information gain (95 % bootstrap over secrets)"
    return Table(title, ("policy", "belief by", "correlation"), rows)


def best_of_table(taught: Any, n: int) -> Table:
    """Success of the taught model when each move is the best of n by belief gain."""
    rows = tuple((moves, f"{success(taught, make_table(), moves):.3f}") for moves in sorted({1, n}))
    return Table("The best of n moves by belief gain (95 % bootstrap over secrets)", ("n", "success"), rows)


def at(runs: Sequence[Sequence[Point]], games: int) -> list[float]:
    """Success of every seed after a number of games."""
    return [p.success for run in runs for p in run if p.games == games]


def main(
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of every recipe; some get three at most.")] = 5,
    games: Annotated[
        int, typer.Option(min=7_168, help="Training games of the recipes that cross granularity and belief.")
    ] = GAMES,
    other_games: Annotated[int, typer.Option(min=7_168, help="Of the recipes that are not crossed.")] = 19_200,
    long_games: Annotated[int, typer.Option(help="Of the two recipes that are followed on.")] = GAMES,
    recipe: Annotated[list[str] | None, typer.Option(help="Only these; repeatable.")] = None,
    teaching: Annotated[int, typer.Option(min=1, help="Steps of teaching from random games.")] = TEACHING_STEPS,
    best_of: Annotated[int, typer.Option(min=1, help="Moves to choose from by belief gain; 1 is plain play.")] = 8,
    workers: TrainingProcesses = 2,
    folder: Annotated[Path, typer.Option(help="Where runs are kept; a stopped study goes on.")] = Path("runs/belief"),
    markdown: MarkdownFile = None,
    model: Annotated[str | None, typer.Option(help="Evaluate this agent instead: openai:M@URL, hf:PATH.")] = None,
    judge: Annotated[str | None, typer.Option(help="The model that answers it; the rules by default.")] = None,
    env: Annotated[str, typer.Option(help="Which game.")] = "credit/TwentyQuestions-v0",
    secrets: Annotated[int, typer.Option(min=1, help="How many secrets of the test split.")] = 60,
    repeats: Annotated[int, typer.Option(min=1, help="Games of each secret.")] = 8,
    turns: Annotated[int, typer.Option(min=1, help="Most questions of a game; 50 for scaling with interaction.")] = 20,
    prompting: Annotated[str, typer.Option(help="How the model is asked.")] = "plain",
    plots: PlotFolder = None,
) -> None:
    """Train with every credit and compare; or, with --model, evaluate a language model as published."""
    if model is not None:
        settings: dict[str, Any] = {
            "judge": judge,
            "secrets": secrets,
            "repeats": repeats,
            "turns": turns,
            "prompting": prompting,
        }
        episodes = play_games(env, model, seed=0, **settings)
        table = games_table(f"{env}, {model}, answered by {judge or 'the rules'}", episodes, repeats, turns)
        publish([table], markdown, plots)
        return
    chosen = [name for name in RECIPES if not recipe or name in recipe or name == BASELINE]
    lengths = {name: games if name in CROSSED else min(games, other_games) for name in chosen}
    lengths |= {name: max(games, long_games) for name in LONG if name in chosen}
    plan = Plan(lengths, {name: min(seeds, 3) if name in FEWER_SEEDS else seeds for name in chosen}, teaching)
    total = sum(plan.seeds.values())
    with Progress(console=console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("runs", total=total)
        curves = run_study(plan, folder, workers=workers, on_run=lambda *_: progress.advance(bar))
    world = make_table()
    taught = load_or_teach(folder / "taught", world, steps=teaching, seed=0)
    shown = max(p.games for p in curves[BASELINE][0] if p.games <= games)
    tables = [
        success_table(curves),
        behaviour_table(curves, evaluate(taught, world), shown),
        correlation_table({"taught": taught} | {name: trained(folder, name, 0) for name in LONG if name in chosen}),
        best_of_table(taught, best_of),
    ]
    publish(tables, markdown, plots)
    if plots is not None:
        lines = {name: seed_curve(runs, "games") for name, runs in curves.items()}
        growth = {
            f"{name}, {outcome}": Curve(*curve)
            for name, player in (("taught", taught), ("trained", trained(folder, BASELINE, 0)))
            for outcome, curve in belief_growth(player, world, player).items()
        }
        save(plot_curves(growth, x="turns played", y="log-belief in the truth, nats"), plots / "belief_growth.png")
        save(plot_curves(lines, x="training games", y=f"success in {TURNS} turns"), plots / "belief_curves.png")


if __name__ == "__main__":
    run_command(main)
