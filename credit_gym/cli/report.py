"""Write the page of a run, or show the tables of a group."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from credit_gym.cli.app import (
    RUNS,
    Options,
    RunsDir,
    Scorers,
    TableFormat,
    app,
    asked,
    find,
    own_file,
    say_plainness,
    settled,
    table_writer,
)
from credit_gym.errors import CreditGymError

if TYPE_CHECKING:
    from credit_gym.report import Table
    from credit_gym.store import Store


@app.command(epilog="Example: credit-gym report run_0123456789ab --scorer evidence_lambda")
def report(
    run: Annotated[str, typer.Argument(metavar="RUN|GROUP", help="Id of a run, a sweep or a benchmark.")],
    scorer: Scorers = None,
    option: Options = None,
    episodes: Annotated[int, typer.Option(min=1, help="At most this many episodes in the page.")] = 200,
    to: TableFormat = "terminal",
    out: Annotated[
        Path | None, typer.Option(help="File of a run's page or table; report.html in its folder by default.")
    ] = None,
    runs_dir: RunsDir = RUNS,
) -> None:
    """Write one HTML file to read a run's episodes in, or show the tables of a sweep or a benchmark.

    With --to it is the run's table alone, in that format; with --out too, into that file.
    """
    from credit_gym.credit.stored_runs import label, run_credits
    from credit_gym.report import write_report
    from credit_gym.report.run_summary import summary

    if Path(run).name.startswith("group_"):
        store, group_id = find(run, runs_dir)
        show_group(store, group_id, to)
        return
    table_writer(to)
    store, run_id = find(run, runs_dir)
    record, played = store.run(run_id), store.load_episodes(run_id)
    kept = [] if scorer or option else store.target_sets(run_id)
    wanted = kept or settled(asked(scorer, option), played)
    credits = {}
    for name, options in wanted:
        try:
            credits[label(name, options)] = run_credits(store, run_id, played, name, options)
        except CreditGymError as error:
            if not kept:
                raise
            typer.echo(f"{label(name, options)} is left out: {error}", err=True)  # kept once, not to be made anew
    wanted = [each for each in wanted if label(*each) in credits]
    say_plainness(store, run_id, played, wanted)
    if to != "terminal":
        _write_table(summary(store, run_id, played, wanted), to, out)
        return
    shown = played[:episodes]
    path = out or own_file(store, "report.html")
    write_report(
        path,
        title=f"{record.env_id} · {record.agent_id} · {run_id}",
        episodes=shown,
        credits={name: rows[: len(shown)] for name, rows in credits.items()},
        tables=[summary(store, run_id, played, wanted)] if wanted else [],
    )
    typer.echo(path)


def _write_table(table: Table, to: str, out: Path | None) -> None:
    """Print a table in a format, or write it into a file."""
    if out is None:
        table_writer(to)(table)
        return
    from credit_gym.report.table import WRITERS

    out.write_text(WRITERS[to](table), encoding="utf-8")
    typer.echo(out)


def show_group(store: Store, group_id: str, to: str) -> None:
    """Print the tables of a group: a benchmark's, which has agents, or a sweep's."""
    from credit_gym.cli.bench import show_bench
    from credit_gym.cli.sweep import show_sweep

    show_tables = show_bench if "agents" in store.group(group_id).config else show_sweep
    show_tables(store, group_id, to)
