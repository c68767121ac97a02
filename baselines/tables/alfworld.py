"""ALFWorld with credit on every step: play, record verifier signals, score the same episodes several ways, report.

    python -m credit_gym.baselines.tables.alfworld [--episodes N] [--agent SPEC] [--json FILE] [--plots DIR]
    python -m credit_gym.baselines.tables.alfworld --agent anthropic:MODEL --prompting listed --episodes 50
        --group-size 5 --seed 7 --seed 11 --seed 19    # as Tables 4 and 5 were collected; vllm:PATH, openai:MODEL@URL

The noisy expert plays groups of rollouts of generated games, or of the published ones where ``ALFWORLD_DATA`` is
set. Every scorer sees the same episodes. Two numbers are printed side by side, because the first alone says little:
the share of states whose actions a scorer tells apart (mean credits more than 0.01 apart, the published measure of
Tables 4 and 5), and how often its best action is one that the expert would have taken. See
:mod:`credit_gym.baselines.protocol.collection` for what is true by construction here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from credit_gym.baselines.protocol.collection import Plan, collect, comparison_table, write_outputs
from credit_gym.baselines.protocol.experiment import save_json
from credit_gym.baselines.protocol.options import JsonFile, PlotFolder, RunsFolder
from credit_gym.baselines.protocol.publish import publish
from credit_gym.report import Table
from credit_gym.report.command import run as run_command

PUBLISHED: dict[str, dict[str, float]] = {
    "Claude Haiku (Table 4)": {"outcome_only": 13.3, "branch_aware": 34.8, "combined": 34.8},
    "Qwen-7B (Table 5)": {"outcome_only": 3.4, "branch_aware": 31.8, "combined": 31.8},
}


def main(
    episodes: Annotated[int, typer.Option(help="Episodes in all.")] = 48,
    group_size: Annotated[int, typer.Option(help="Rollouts of each game.")] = 8,
    agent: Annotated[str, typer.Option(help="Who plays.")] = "noisy:0.6",
    max_turns: Annotated[int, typer.Option(help="Step limit.")] = 30,
    split: Annotated[str, typer.Option(help="train, valid_seen or valid_unseen.")] = "train",
    engine: Annotated[str, typer.Option(help="native or textworld.")] = "native",
    seed: Annotated[list[int] | None, typer.Option(help="Seed of a run; repeatable, 7 by default.")] = None,
    prompting: Annotated[str | None, typer.Option(help="How a language model is asked: listed, react, ...")] = None,
    runs_dir: RunsFolder = Path("runs"),
    json: JsonFile = None,
    plots: PlotFolder = None,
) -> None:
    """Play, score, compare, and write ``runs/<id>/``."""
    arguments = {"split": split, "max_steps": max_turns, "engine": engine}
    shares: dict[str, list[float]] = {}
    tables = []
    for number in seed or [7]:
        plan = Plan(episodes, group_size, number)
        found = collect("credit/ALFWorld-v0", arguments, agent, plan, runs_dir=runs_dir, prompting=prompting)
        solved, steps = sum(episode.success for episode in found.completed), sum(map(len, found.completed))
        title = f"ALFWorld, {agent}, seed {number}: {solved}/{len(found.completed)} episodes solved, {steps} steps"
        comparison = comparison_table(title, found.comparison)
        write_outputs(found, title, [comparison])
        typer.echo(f"{found.folder}/ holds store.sqlite, targets.parquet and report.html.")
        for scorer, measures in found.comparison.items():
            shares.setdefault(scorer, []).append(100 * measures["differentiated"])
        if json:
            path = json if len(seed or [7]) == 1 else json.with_stem(f"{json.stem}-{number}")
            settings = {"episodes": episodes, "group_size": group_size, "seed": number}
            save_json(path, {"baseline": "alfworld", "agent": agent, **arguments, **settings}, found.comparison)
        tables.append(comparison)
    publish([*tables, published_table(agent, shares)], plots=plots)


def published_table(agent: str, shares: Mapping[str, Sequence[float]]) -> Table:
    """The published shares of states differentiated (Tables 4 and 5) above ours, mean and range over seeds, percent."""
    rows: list[tuple[str | float | None, ...]] = [
        (name, *(published.get(scorer) for scorer in shares)) for name, published in PUBLISHED.items()
    ]
    rows.append((agent, *(f"{np.mean(v):.1f} [{min(v):.1f}, {max(v):.1f}]" for v in shares.values())))
    return Table("States differentiated, %", ("who played", *shares), tuple(rows))


if __name__ == "__main__":
    run_command(main)
