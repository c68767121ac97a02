"""Take in episodes that others recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from credit_gym.cli.app import RUNS, Out, app
from credit_gym.cli.stopping import marking_the_stopped
from credit_gym.errors import CreditGymError


@app.command("import", epilog="Example: credit-gym import traces.jsonl --from verifiers")
def import_(
    file: Annotated[Path, typer.Argument(help="The file; of tau2 also a folder.")],
    source: Annotated[str, typer.Option("--from", help="chat, verifiers or tau2.")] = "chat",
    out: Out = RUNS,
) -> None:
    """Import episodes as a run, to be scored, reported and exported like any other; prints the run's id.

    What cannot be read is said and left out; the exit code is then 1.
    """
    from credit_gym.formats.readers import read_episodes
    from credit_gym.report.text import one_line
    from credit_gym.store import new_run, sole_use

    episodes, damaged = read_episodes(source, file)
    if not episodes:
        raise CreditGymError(damaged[0] if damaged else f"{file} holds no episode.")
    store, run_id = new_run(
        out,
        env_id=episodes[0].env_id,
        agent_id=episodes[0].agent_id,
        config={"arguments": {}, "imported": source, "episodes": len(episodes), "group_size": 1},
        seed=None,
    )
    with sole_use(store.folder), marking_the_stopped(store):
        store.add_episodes(run_id, episodes)  # all of them or none
        store.finish_run(run_id, "finished")
    typer.echo(run_id)
    if damaged:
        first = one_line(damaged[0])
        typer.echo(f"{len(damaged)} of {len(damaged) + len(episodes)} were left out; the first: {first}", err=True)
        raise typer.Exit(1)
