"""Make a published table again, or all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from credit_gym.cli.app import TableFormat, app, table_writer

_OPEN = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command(context_settings=_OPEN, epilog="Example: credit-gym reproduce table-1 --quick")
def reproduce(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="Which one, or `all`; the list of them where it is left out.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer seeds: minutes in the place of hours.")] = False,
    folder: Annotated[Path, typer.Option(help="Where they are made; what is there is not made again.")] = Path(
        "reproductions"
    ),
    again: Annotated[bool, typer.Option("--again", help="Make it again all the same.")] = False,
    to: TableFormat = "terminal",
) -> None:
    """Make a published table, or `all`, into a folder, and say how each claim ends.

    A table comes with its figure, LaTeX, JSON and what it ran on; the folder's index.html shows all. Further options go
    to the table's own command, such as --agent SPEC: `reproduce` alone lists which put a language model of yours in the
    place of the tiny one that is made here. The exit code is 1 where something could not be made.
    """
    from credit_gym.baselines.claims.catalogue import CATALOGUE, in_order, reproduction
    from credit_gym.baselines.claims.index import answers, claims_table, list_table, write_index
    from credit_gym.baselines.claims.making import Made, MakingError, UnsetVariableError, make_all
    from credit_gym.cli.stopping import stoppable

    if name is None:
        table_writer(to)(list_table())
        table_writer(to)(claims_table(answers(folder)))
        return
    if name == "all" and context.args:
        raise typer.BadParameter(f"{context.args[0]} is an option of one table's command: name the table.")
    wanted = in_order(CATALOGUE.values() if name == "all" else [reproduction(name)])
    failed = False
    with stoppable():
        for each, outcome, left, minutes in make_all(wanted, folder, quick=quick, again=again, extra=context.args):
            said = f"{each.name}: {outcome.minutes:g} minutes" if isinstance(outcome, Made) else str(outcome)
            time = f" in about {minutes:.0f} minutes" if minutes else ""
            typer.echo(f"{said}; {left} to go{time}" if left else said, err=True)
            failed |= isinstance(outcome, MakingError) and not (
                name == "all" and isinstance(outcome, UnsetVariableError)
            )
    write_index(folder)
    if found := answers(folder, wanted):
        table_writer(to)(claims_table(found))
    typer.echo(f"{folder / 'index.html'} shows the tables and figures.")
    if failed:
        raise typer.Exit(1)
