"""ALFWorld with credit on every step: play, record verifier signals, score the same episodes several ways, report.

    python -m credit_gym.baselines.alfworld [--episodes N] [--agent SPEC] [--json FILE]

The noisy expert plays groups of rollouts of generated games, or of the published ones where ``ALFWORLD_DATA`` is
set. Every scorer sees the same episodes. Two numbers are printed side by side, because the first alone says little:
the share of states whose actions a scorer tells apart (mean credits more than 0.01 apart, the published measure of
Tables 4 and 5), and how often its best action is one that the expert would have taken. See
:mod:`credit_gym.baselines.collection` for what is true by construction here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from credit_gym.baselines.collection import collect, comparison_table, write_outputs
from credit_gym.baselines.experiment import save_json
from credit_gym.command import run as run_command
from credit_gym.report import show


def main(
    episodes: Annotated[int, typer.Option(help="Episodes in all.")] = 48,
    group_size: Annotated[int, typer.Option(help="Rollouts of each game.")] = 8,
    agent: Annotated[str, typer.Option(help="Who plays.")] = "noisy:0.6",
    max_turns: Annotated[int, typer.Option(help="Step limit.")] = 30,
    split: Annotated[str, typer.Option(help="train, valid_seen or valid_unseen.")] = "train",
    engine: Annotated[str, typer.Option(help="native or textworld.")] = "native",
    seed: Annotated[int, typer.Option(help="Seed of the run.")] = 7,
    runs_dir: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("runs"),
    json: Annotated[Path | None, typer.Option(help="Write the results here.")] = None,
) -> None:
    """Play, score, compare, and write ``runs/<id>/``."""
    arguments = {"split": split, "max_steps": max_turns, "engine": engine}
    settings = {"episodes": episodes, "group_size": group_size, "seed": seed}
    found = collect(
        "credit/ALFWorld-v0",
        arguments,
        agent,
        episodes=episodes,
        group_size=group_size,
        seed=seed,
        runs_dir=runs_dir,
    )
    solved, steps = sum(episode.success for episode in found.completed), sum(map(len, found.completed))
    title = f"ALFWorld, {agent}: {solved}/{len(found.completed)} episodes solved, {steps} steps"
    comparison = comparison_table(title, found.comparison)
    show(comparison)
    write_outputs(found, title, [comparison])
    typer.echo(f"{found.folder}/ holds store.sqlite, targets.parquet and report.html.")
    if json:
        save_json(json, {"baseline": "alfworld", "agent": agent, **arguments, **settings}, found.comparison)


if __name__ == "__main__":
    run_command(main)
