"""Compare two stored runs, task by task."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated

import typer

from credit_gym.cli.app import RUNS, RunsDir, TableFormat, app, find, table_writer
from credit_gym.errors import CreditGymError


@app.command(epilog="Example: credit-gym compare run_0123456789ab run_ba9876543210 --to markdown")
def compare(
    first: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or its folder.")],
    second: Annotated[str, typer.Argument(metavar="RUN", help="Another, on the same tasks and seeds.")],
    to: TableFormat = "terminal",
    runs_dir: RunsDir = RUNS,
) -> None:
    """Compare two runs on the tasks and seeds that both played: first minus second, what flipped, where plays part.

    The interval is Student's over tasks; p is the exact sign test of tasks won against tasks lost.
    """
    from credit_gym.metrics.paired import flips, pair_episodes
    from credit_gym.report.paired_tables import difference_table, flips_table, partings_table

    write = table_writer(to)
    records, played = [], []
    with ExitStack() as opened:
        for name in (first, second):
            store, run_id = find(name, runs_dir)
            opened.enter_context(store)
            records.append(store.run(run_id))
            played.append(store.episodes(run_id))
        pairs = pair_episodes(*played)
    if not pairs:
        raise CreditGymError(
            f"{records[0].run_id} and {records[1].run_id} have no completed episode of the same task and seed in "
            "common: play both with equal --env, --env-arg, --seed and --group-size."
        )
    one, other = (f"{record.agent_id} ({record.run_id})" for record in records)
    write(difference_table(f"{one} minus {other}", pairs))
    if flips(pairs):
        write(flips_table(f"Solved by one of the two: first is {one}, second {other}", pairs))
    write(partings_table("Where plays of the same task and seed part", pairs))
