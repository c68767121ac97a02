"""List the stored runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from credit_gym.cli.app import RUNS, RunsDir, TableFormat, app, table_writer
from credit_gym.errors import CreditGymError

if TYPE_CHECKING:
    from credit_gym.report.table import Value
    from credit_gym.store import RunRecord, Store

_COLUMNS = (
    "run", "group", "environment", "agent", "seed", "episodes", "errors", "success", "return", "status", "created"
)  # fmt: skip


@app.command(epilog="Example: credit-gym runs --env WebShop --agent openai --last 10")
def runs(
    env: Annotated[str | None, typer.Option(help="Only those whose environment contains this.")] = None,
    agent: Annotated[str | None, typer.Option(help="Only those whose agent contains this.")] = None,
    status: Annotated[str | None, typer.Option(help="Only those: running, finished, stopped, interrupted.")] = None,
    last: Annotated[int | None, typer.Option(min=1, help="At most so many, the newest.")] = None,
    to: TableFormat = "terminal",
    runs_dir: RunsDir = RUNS,
) -> None:
    """List the stored runs, the newest first, with success and mean return of the episodes that completed."""
    from credit_gym.report import Table

    write = table_writer(to)
    if not runs_dir.is_dir():
        raise CreditGymError(f"There is no folder {runs_dir}: `credit-gym run --out {runs_dir}` makes it.")
    wanted = {"env_id": env, "agent_id": agent, "status": status}
    rows = sorted(_rows(runs_dir, wanted), key=lambda row: str(row[-1]), reverse=True)
    write(Table("Runs", _COLUMNS, tuple(rows[:last])))


def _rows(runs_dir: Path, wanted: Mapping[str, str | None]) -> list[tuple[Value, ...]]:
    """A row for every run that fits; of those of one second the later ones come first. A damaged store is said."""
    from credit_gym.store import Store, listed_runs

    rows: list[tuple[Value, ...]] = []
    for file in sorted(runs_dir.glob("*/store.sqlite")):
        try:
            with Store.open(file.parent, create=False) as store:
                fitting = [record for record in reversed(listed_runs(store)) if _fits(record, wanted)]
                rows += [_row(store, record) for record in fitting]
        except CreditGymError as error:
            typer.echo(f"{file.parent.name} is left out: {error}", err=True)
    return rows


def _fits(record: RunRecord, wanted: Mapping[str, str | None]) -> bool:
    return all(text is None or text.lower() in getattr(record, name).lower() for name, text in wanted.items())


def _row(store: Store, record: RunRecord) -> tuple[Value, ...]:
    ended = store.outcomes(record.run_id)
    success = ended.solved / ended.completed if ended.completed else None
    who = (record.run_id, record.group_id, record.env_id, record.agent_id, record.seed)
    numbers = (ended.completed, ended.errors, success, ended.mean_return)
    return (*who, *numbers, record.status, record.created)
