"""One table, written for a terminal, a README, a paper or a page."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import rich.box
import rich.table
from rich.text import Text

from credit_gym.report.text import for_html, for_latex, for_markdown, one_line

Value = str | float | int | bool | None


@dataclass(frozen=True, slots=True)
class Table:
    """A table of results.

    Attributes:
        title: one line above it.
        columns: the heads; the first column names the rows.
        rows: one value per column: text, numbers (floats are shown with three decimals), None or NaN for "nothing".
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"A row of {self.title!r} has {len(row)} values for {len(self.columns)} columns.")


def cell_text(value: Value) -> str:
    """Return a value as every table shows it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def to_rich(table: Table) -> rich.table.Table:
    """Return the table for a terminal, as a rich renderable; rich markup in the texts stays text."""
    out = rich.table.Table(title=Text(one_line(table.title)), title_justify="left", box=rich.box.SIMPLE_HEAD)
    for i, name in enumerate(table.columns):
        numeric = _is_numeric(table, i)
        out.add_column(Text(one_line(name)), justify="right" if numeric else "left", no_wrap=numeric or i == 0)
    for row in table.rows:
        out.add_row(*(Text(one_line(cell_text(value))) for value in row))
    return out


def to_markdown(table: Table) -> str:
    """Return the table in GitHub's Markdown, numbers to the right; markup in the texts is escaped."""
    rules = ["---:" if _is_numeric(table, i) else ":---" for i in range(len(table.columns))]
    lines = [table.columns, rules, *(map(cell_text, row) for row in table.rows)]
    written = [[*cells] if cells is rules else [for_markdown(cell) for cell in cells] for cells in lines]
    head = f"**{for_markdown(table.title)}**\n\n" if table.title else ""
    return head + "".join(f"| {' | '.join(cells)} |\n" for cells in written)


def to_latex(table: Table) -> str:
    r"""Return the table as a ``tabular`` for the package booktabs, in a ``table`` with its caption."""
    align = "".join("r" if _is_numeric(table, i) else "l" for i in range(len(table.columns)))
    body = [" & ".join(for_latex(cell_text(value)) for value in row) + r" \\" for row in (table.columns, *table.rows)]
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{for_latex(table.title)}}}",
        rf"\begin{{tabular}}{{{align}}}",
        r"\toprule",
        body[0],
        r"\midrule",
        *body[1:],
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def to_html(table: Table) -> str:
    """Return the table as an HTML ``figure``; every text is escaped."""
    numeric = [' class="number"' if _is_numeric(table, i) else "" for i in range(len(table.columns))]
    heads = "".join(
        f'<th scope="col"{kind}>{for_html(name)}</th>' for name, kind in zip(table.columns, numeric, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(f"<td{kind}>{for_html(cell_text(value))}</td>" for value, kind in zip(row, numeric, strict=True))
        + "</tr>"
        for row in table.rows
    )
    return (
        f"<figure><figcaption>{for_html(table.title)}</figcaption>"
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div></figure>'
    )


WRITERS: dict[str, Callable[[Table], str]] = {"markdown": to_markdown, "latex": to_latex, "html": to_html}
"""Format -> function that writes a table in it."""


def _is_numeric(table: Table, i: int) -> bool:
    values = [row[i] for row in table.rows if row[i] is not None]
    return bool(values) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
