"""Do real faults to the real commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from credit_gym.cli.app import app, show
from credit_gym.errors import unknown

if TYPE_CHECKING:
    from credit_gym.baselines.stress.trial import Outcome


@app.command(epilog="Example: credit-gym stress --minutes 10 --only 'kill -9' --only disk")
def stress(
    minutes: Annotated[float, typer.Option(min=0, help="How long; each kind is tried once at least.")] = 10.0,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only kinds whose name contains this; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Fixes what the trials draw.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write every trial here.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the page with the table here.")] = None,
) -> None:
    """Kill, starve, damage and deceive the commands of this tool, and check that nothing they recorded is lost.

    Prints a row for each kind of fault: how often it was tried and survived; the exit code is 1 where anything did not
    hold.
    """
    from credit_gym.baselines.stress import kinds, rounds, stress_page
    from credit_gym.report.text import one_line

    known = kinds.kinds(minutes)
    for name in only or ():
        if not any(name in kind for kind in known):
            raise unknown("kind of fault", name, known)
    chosen = {kind: trial for kind, trial in known.items() if not only or any(name in kind for name in only)}

    def note(kind: str, number: int, outcome: Outcome) -> None:
        said = outcome.flaw or ("skipped" if outcome.skipped else "held")
        about = f"{kind}, {number}: {said} after {outcome.seconds:.1f} s; {outcome.note}"
        typer.echo(one_line(about), err=outcome.flaw is not None)

    tallies = rounds.go_round(chosen, minutes=minutes, seed=seed, on_trial=note)
    show(stress_page.table(tallies))
    if json is not None:
        stress_page.write_json(json, tallies, minutes=minutes, seed=seed)
    if markdown is not None:
        stress_page.write_page(markdown, tallies, minutes=minutes, seed=seed, only=only or ())
    if rounds.flawed(tallies):
        raise typer.Exit(1)
