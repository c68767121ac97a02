"""Train a small language model from transcripts of environments."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from credit_gym.cli.app import app


@app.command("tiny-lm", epilog="Example: credit-gym tiny-lm models/tiny --env credit/Stochastic-v0 --steps 300")
def tiny_lm(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write; then play it as hf:FOLDER.")],
    env: Annotated[list[str] | None, typer.Option(help="Gymnasium id; repeatable.")] = None,
    agent: Annotated[str, typer.Option(help="Whom it imitates.")] = "noisy:0.2",
    prompting: Annotated[str, typer.Option(metavar="NAME|FILE", help="How it is asked, now and later.")] = "plain",
    episodes: Annotated[int, typer.Option(min=1, help="Recorded episodes, shared out among the environments.")] = 400,
    steps: Annotated[int, typer.Option(min=1, help="Of training.")] = 300,
    hidden: Annotated[int, typer.Option(min=1, help="Width.")] = 64,
    layers: Annotated[int, typer.Option(min=1, help="Depth.")] = 2,
    seed: Annotated[int, typer.Option(help="Fixes the episodes, the weights and the batches.")] = 0,
) -> None:
    """Train a language model of some hundred thousand parameters to play as a scripted agent, in a minute on a CPU."""
    if not env:
        raise typer.BadParameter("give --env with the id of an environment; `credit-gym envs` lists them.")
    from rich.progress import Progress

    from credit_gym.agents.learning.tiny_lm import train_tiny_lm
    from credit_gym.report import console

    with Progress(console=console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("training", total=steps)
        report = train_tiny_lm(
            folder,
            env_ids=env,
            agent=agent,
            prompting=prompting,
            episodes=episodes,
            steps=steps,
            hidden=hidden,
            layers=layers,
            seed=seed,
            on_step=lambda step, loss: progress.update(bar, advance=1, description=f"loss {loss:.3f}"),
        )
    typer.echo(
        f"{folder}: {report.parameters} weights, {report.episodes} episodes, {report.taught_tokens} taught tokens, "
        f"loss {report.losses[0]:.3f} -> {report.losses[-1]:.3f}"
    )
