"""Compare scorers on controlled environments."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from credit_gym.cli.app import RUNS, Out, TableFormat, app, find, table_writer
from credit_gym.cli.stopping import exit_code, marking_the_stopped

if TYPE_CHECKING:
    from credit_gym.report import Table
    from credit_gym.store import Store


@app.command(epilog="Example: credit-gym sweep --config stochastic.yaml")
def sweep(
    config: Annotated[str | None, typer.Option(help="YAML file, or the name of one that ships here.")] = None,
    resume: Annotated[str | None, typer.Option(metavar="GROUP", help="Do what is missing of a stopped sweep.")] = None,
    to: TableFormat = "terminal",
    out: Out = RUNS,
) -> None:
    """Compare scorers on controlled environments over seeds; the group's id is printed first."""
    from rich.progress import Progress

    from credit_gym.baselines.protocol.sweep import load_config, run_sweep
    from credit_gym.report import console
    from credit_gym.store import new_group, sole_use

    if config is None and resume is None:
        raise typer.BadParameter("give --config with a YAML file, or --resume with the id of a group.")
    if resume is not None:
        store, group_id = find(resume, out)
        settings = store.group(group_id).config if config is None else load_config(config)
    else:
        settings = load_config(str(config))
        store, group_id = new_group(out, settings)
    typer.echo(group_id)
    with sole_use(store.folder), Progress(console=console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("cells")
        try:
            with marking_the_stopped(store):
                run_sweep(
                    settings,
                    store,
                    resume=group_id,
                    on_cell=lambda _, done, total: progress.update(bar, completed=done, total=total),
                )
        except KeyboardInterrupt as error:
            typer.echo(f"Interrupted; go on with: credit-gym sweep --out {out} --resume {group_id}", err=True)
            raise typer.Exit(exit_code(error)) from None
    for table in sweep_tables(store, group_id):
        table_writer(to)(table)


def sweep_tables(store: Store, group_id: str) -> list[Table]:
    """Return the tables of a sweep, mean and standard deviation over its seeds."""
    from credit_gym.baselines.protocol.scorer_rows import results_table
    from credit_gym.baselines.protocol.sweep import sweep_results

    found = sweep_results(store, group_id)
    metrics = {title: dict.fromkeys(metric for row in rows.values() for metric in row) for title, rows in found.items()}
    return [results_table(f"{group_id}: {title}", rows, list(metrics[title])) for title, rows in found.items()]
