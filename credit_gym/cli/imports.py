"""Take in episodes that others recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from credit_gym.cli.app import RUNS, Out, app
from credit_gym.errors import CreditGymError


@app.command("import", epilog="Example: credit-gym import traces.jsonl --from verifiers")
def import_(
    file: Annotated[Path, typer.Argument(help="The file.")],
    source: Annotated[str, typer.Option("--from", help="chat or verifiers.")] = "chat",
    out: Out = RUNS,
) -> None:
    """Import episodes as a run, to be scored, reported and exported like any other; prints the run's id."""
    from credit_gym.imports import read_episodes
    from credit_gym.store import new_run

    episodes = read_episodes(source, file)
    if not episodes:
        raise CreditGymError(f"{file} holds no episode.")
    store, run_id = new_run(
        out,
        env_id=episodes[0].env_id,
        agent_id=episodes[0].agent_id,
        config={"arguments": {}, "imported": source, "episodes": len(episodes), "group_size": 1},
        seed=None,
    )
    for episode in episodes:
        store.add_episode(run_id, episode)
    store.finish_run(run_id, "finished")
    typer.echo(run_id)
