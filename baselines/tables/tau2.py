"""tau2 with credit on every step: how often agents serve every time, what it costs, and which steps earned it.

    python -m credit_gym.baselines.tables.tau2 [--episodes N] [--agent SPEC] [--domain NAME] [--json FILE] [--plots DIR]

Groups of rollouts of the same tasks: pass^k and pass@k with bootstrap intervals over tasks, steps and dollars a task,
and breaches of the policy, which a successful episode may have too. Scorers are judged as in
:mod:`credit_gym.baselines.protocol.collection`; but here the verifier sees only what changes the database or reaches
the customer, and is silent on lookups, so that its order is not that of the exact advantages. ``results.json`` in the
run's folder is in tau2's own format.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from credit_gym.baselines.protocol.collection import Plan, collect, comparison_table, play, write_outputs
from credit_gym.baselines.protocol.experiment import save_json
from credit_gym.baselines.protocol.options import JsonFile, PlotFolder, RunsFolder
from credit_gym.baselines.protocol.publish import publish
from credit_gym.data.episode import Episode
from credit_gym.envs.tau2.domain import Domain
from credit_gym.envs.tau2.env import Tau2Env
from credit_gym.envs.tau2.results import from_episode, replay, write_results
from credit_gym.metrics.pass_at_k import PassRate, pass_table
from credit_gym.metrics.statistics import Estimate
from credit_gym.report import Table
from credit_gym.report.command import run as run_command

ENV_ID = "credit/Tau2-v0"
REFERENCES = ("expert",)


def summarise(domain: Domain, episodes: Sequence[Episode]) -> dict[str, float]:
    """Return means over episodes: ``success``, ``steps``, ``refused`` calls, ``breaches`` and ``dollars``."""
    broken = [len(replay(domain, from_episode(domain, episode)).breaches) for episode in episodes]
    return {
        "success": float(np.mean([episode.success for episode in episodes])),
        "steps": float(np.mean([len(episode) for episode in episodes])),
        "refused": float(np.mean([sum(episode.invalid or ()) for episode in episodes])),
        "breaches": float(np.mean(broken)),
        "dollars": float(np.mean([episode.usage.get("dollars", 0.0) for episode in episodes])),
    }


def main(
    episodes: Annotated[int, typer.Option(help="Episodes in all.")] = 240,
    group_size: Annotated[int, typer.Option(help="Rollouts of each task.")] = 8,
    agent: Annotated[str, typer.Option(help="Who serves.")] = "noisy:0.2",
    domain: Annotated[str, typer.Option(help="library, mock, retail or airline.")] = "library",
    split: Annotated[str, typer.Option(help="A split of the domain.")] = "all",
    seed: Annotated[int, typer.Option(help="Seed of the run.")] = 7,
    runs_dir: RunsFolder = Path("runs"),
    json: JsonFile = None,
    plots: PlotFolder = None,
) -> None:
    """Play, score, compare, and write ``runs/<id>/``."""
    arguments = {"domain": domain, "split": split}
    plan = Plan(episodes, group_size, seed)
    found = collect(ENV_ID, arguments, agent, plan, runs_dir=runs_dir)
    played = {agent: found.completed}
    for name in REFERENCES:
        if name != agent:
            others = play(ENV_ID, arguments, name, plan)
            played[name] = [episode for episode in others if episode.error is None]
    place = Tau2Env(domain, split=split).domain
    summaries = {name: summarise(place, some) for name, some in played.items()}
    rates = {name: pass_table(some) for name, some in played.items()}
    tables = [
        _service_table(domain, summaries),
        _pass_rates(domain, rates),
        comparison_table(f"Credits of {agent} against the expert", found.comparison),
    ]
    write_outputs(found, f"tau2 {domain}, {agent}", tables)
    simulations = [from_episode(place, episode, trial=i % group_size) for i, episode in enumerate(found.completed)]
    write_results(found.folder / "results.json", place, simulations, agent=agent)
    typer.echo(f"{found.folder}/ holds store.sqlite, targets.parquet, report.html and results.json.")
    if json:
        results = {
            "agents": summaries,
            "pass": {name: {k: rate._asdict() for k, rate in table.items()} for name, table in rates.items()},
            "scorers": found.comparison,
        }
        save_json(json, {"baseline": "tau2", "agent": agent, **arguments, **plan._asdict()}, results)
    publish(tables, plots=plots)


def _service_table(domain: str, summaries: dict[str, dict[str, float]]) -> Table:
    rows = tuple(
        (
            name,
            f"{100 * mean['success']:.1f} %",
            f"{mean['steps']:.1f}",
            f"{mean['refused']:.2f}",
            f"{mean['breaches']:.2f}",
            f"{mean['dollars']:.4f}",
        )
        for name, mean in summaries.items()
    )
    return Table(f"tau2 {domain}", ("agent", "success", "steps", "refused calls", "breaches", "dollars"), rows)


def _pass_rates(domain: str, rates: dict[str, dict[str, PassRate]]) -> Table:
    columns = tuple(dict.fromkeys(name for table in rates.values() for name in table))
    rows = tuple(
        (agent, *(_shown(table[name]) if name in table else None for name in columns)) for agent, table in rates.items()
    )
    return Table(f"tau2 {domain}: pass^k and pass@k over tasks", ("agent", *columns), rows)


def _shown(rate: PassRate) -> str:
    return f"{Estimate(*rate[:3]):.3f}"


if __name__ == "__main__":
    run_command(main)
