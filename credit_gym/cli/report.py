"""Write the page of a run, a training, a sweep or a benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from credit_gym.cli.app import (
    RUNS,
    Options,
    RunsDir,
    Scorers,
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
    run: Annotated[
        str,
        typer.Argument(metavar="RUN|GROUP|FOLDER", help="Id of a run, a sweep or a benchmark; folder of a training."),
    ],
    scorer: Scorers = None,
    option: Options = None,
    episodes: Annotated[int, typer.Option(min=1, help="At most this many episodes in the page.")] = 2000,
    to: Annotated[
        str | None, typer.Option(help="The tables alone: terminal, markdown, latex or html.", show_default="a page")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File of the page or the tables; report.html in its folder by default.")
    ] = None,
    runs_dir: RunsDir = RUNS,
) -> None:
    """Write one HTML file: a run's episodes to read, or the tables of a sweep or a benchmark with their figures.

    With --to it is the tables alone, in that format; with --out too, into that file.
    """
    from credit_gym.credit.stored_runs import label, run_credits
    from credit_gym.report import write_report
    from credit_gym.report.run_summary import summary

    if to is not None:
        table_writer(to)
    if to == "terminal" and out is not None:
        raise typer.BadParameter("a file holds no terminal's tables: give --to markdown, latex or html, or no --out.")
    if Path(run).name.startswith("group_"):
        store, group_id = find(run, runs_dir)
        _report_group(store, group_id, to, out)
        return
    if (Path(run) / "training.json").is_file():
        _report_training(Path(run), to, out)
        return
    store, run_id = find(run, runs_dir)
    record, played = store.run(run_id), store.episodes(run_id)
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
    if to is not None:
        _write_tables([summary(store, run_id, played, wanted)], to, out)
        return
    shown = list(played[:episodes])
    path = out or own_file(store, "report.html")
    write_report(
        path,
        title=f"{record.env_id} · {record.agent_id} · {run_id}",
        episodes=shown,
        credits={name: rows[: len(shown)] for name, rows in credits.items()},
        # a part of the run cannot say why: its steps were compared with those of the rest
        scorers={label(*each): each for each in wanted} if len(shown) == len(played) else {},
        tables=[summary(store, run_id, played, wanted)] if wanted else [],
    )
    typer.echo(path)


def _report_group(store: Store, group_id: str, to: str | None, out: Path | None) -> None:
    """Write the tables of a group and their figures as a page, or the tables alone."""
    from credit_gym.report.tables_page import write_tables_page

    tables = group_tables(store, group_id)
    if to is not None:
        _write_tables(tables, to, out)
        return
    path = out or own_file(store, "report.html")
    write_tables_page(path, title=group_id, tables=tables)
    typer.echo(path)


def group_tables(store: Store, group_id: str) -> list[Table]:
    """Return the tables of a group: a benchmark's, which has agents, or a sweep's."""
    from credit_gym.agents.rollout.bench import bench_tables
    from credit_gym.cli.sweep import sweep_tables

    tables = bench_tables if "agents" in store.group(group_id).config else sweep_tables
    return list(tables(store, group_id))


def _report_training(folder: Path, to: str | None, out: Path | None) -> None:
    """Write the page of a training, or show its tables."""
    from credit_gym.agents.learning.learning_curve import PICTURE, tables
    from credit_gym.data.foreign_text import file_bytes
    from credit_gym.report import write_report

    found, picture = tables(folder), folder / PICTURE
    if not found:
        raise CreditGymError(f"{folder} holds a training without a step: there is nothing to report yet.")
    if to is not None:
        _write_tables(found, to, out)
        return
    path = out or folder / "report.html"
    drawn = file_bytes(picture) if picture.is_file() else b""
    write_report(path, title=folder.name, episodes=(), credits={}, tables=found, picture=drawn)
    typer.echo(path)


def _write_tables(tables: Sequence[Table], to: str, out: Path | None) -> None:
    """Print tables in a format, or write them into a file."""
    if out is None:
        for table in tables:
            table_writer(to)(table)
        return
    from credit_gym.report.table import WRITERS

    out.write_text("\n".join(WRITERS[to](table) for table in tables), encoding="utf-8")
    typer.echo(out)
