"""Say which scorer fits a stored run."""

from __future__ import annotations

from typing import Annotated

import typer

from credit_gym.cli.app import RUNS, RunsDir, app, find


@app.command(epilog="Example: credit-gym advise run_0123456789ab")
def advise(
    run: Annotated[str, typer.Argument(help="Run id, or path of a run folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
    runs_dir: RunsDir = RUNS,
) -> None:
    """Say which scorer fits a run, what it should save against grpo, what to beware of, and why.

    A long run is judged by its beginning, which is said.
    """
    import json

    from credit_gym.credit.advise import advise as advice_on
    from credit_gym.credit.run_parts import beginning

    store, run_id = find(run, runs_dir)
    played = store.episodes(run_id)
    begun = beginning(played)
    if len(begun) < len(played):
        typer.echo(f"Judged by the first {len(begun)} of {len(played)} episodes.", err=True)
    advice = advice_on(begun)
    typer.echo(json.dumps(advice.as_mapping(), indent=2, allow_nan=False) if as_json else str(advice))
