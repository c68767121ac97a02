"""Tables on the terminal."""

from __future__ import annotations

from rich.console import Console

from credit_gym.report.table import Table, to_rich

WIDE = 200  # columns of output that is not shown on a terminal


def console(*, stderr: bool = False, width: int = WIDE) -> Console:
    """Return a console; where the output is no terminal it is ``width`` columns wide, so that nothing is cut."""
    found = Console(stderr=stderr, highlight=False)
    return found if found.is_terminal else Console(stderr=stderr, highlight=False, width=width)


def show(table: Table) -> None:
    """Print a table."""
    console(width=max(WIDE, 24 * len(table.columns))).print(to_rich(table))
