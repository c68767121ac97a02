"""Take in episodes that others recorded."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from credit_gym.cli.app import RUNS, Out, app
from credit_gym.cli.stopping import marking_the_stopped
from credit_gym.errors import CreditGymError, StoreError

AT_ONCE = 500
"""Episodes that are in memory at the same time."""


@app.command("import", epilog="Example: credit-gym import traces.jsonl --from verifiers")
def import_(
    file: Annotated[Path, typer.Argument(help="The file, maybe packed by gzip; of tau2 also a folder.")],
    source: Annotated[
        str, typer.Option("--from", help="chat or steps (plain JSON, lines or an array), verifiers, inspect or tau2.")
    ] = "chat",
    reward_from: Annotated[str, typer.Option(help="Of an inspect log with several scores, the one that counts.")] = "",
    out: Out = RUNS,
) -> None:
    """Import episodes as a run, to be scored, reported and exported like any other; prints the run's id.

    A record is a chat, {"messages": [{"role", "content"}, ...], "reward": 1.0}, or has steps,
    {"observation", "action", "reward"}. What cannot be read is said and left out; the exit code is then 1.
    """
    from credit_gym.formats.readers import each_episode
    from credit_gym.report.text import one_line
    from credit_gym.store import new_run, sole_use

    options = {"reward_from": reward_from} if reward_from else {}
    first, said, whole, damaged = None, "", 0, 0  # the file is read twice: nobody shall take a part for the whole
    for found in each_episode(source, file, **options):
        if isinstance(found, StoreError):
            said, damaged = said or str(found), damaged + 1
        else:
            first, whole = first or found, whole + 1
    if first is None:
        raise CreditGymError(said or f"{file} holds no episode.")
    store, run_id = new_run(
        out,
        env_id=first.env_id,
        agent_id=first.agent_id,
        config={"arguments": {}, "imported": source, "episodes": whole, "group_size": 1},
        seed=None,
    )
    with sole_use(store.folder), marking_the_stopped(store):
        good = (found for found in each_episode(source, file, **options) if not isinstance(found, StoreError))
        while episodes := list(islice(good, AT_ONCE)):
            store.add_episodes(run_id, episodes)
        store.finish_run(run_id, "finished")
    typer.echo(run_id)
    if damaged:
        typer.echo(f"{damaged} of {damaged + whole} were left out; the first: {one_line(said)}", err=True)
        raise typer.Exit(1)
