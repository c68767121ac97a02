"""A published claim, the cells of our tables that answer it, and the verdict that follows from their numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from credit_gym.report.cell_numbers import column_numbers
from credit_gym.report.table import Table, Value

_IN_BRACKETS = re.compile(r"[^()]{1,40}\(([^()]{1,80})\)")


class Verdict(StrEnum):
    """How a claim ends."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    NOT_TESTABLE = "not testable here"
    NOT_MADE = "not made yet"


class Cell(NamedTuple):
    """Where a number stands in our tables.

    Attributes:
        table: what the title of its table holds; the first such table counts.
        row: what its row holds: one cell, or several.
        column: the head of its column.
        name: what it is called beside the claim; by default the row's cells.
        difference: whether the number is the difference in the cell's brackets, ``0.674 (+0.063 [+0.041, +0.085])``.
    """

    table: str
    row: str | tuple[str, ...]
    column: str
    name: str = ""
    difference: bool = False

    @property
    def rows(self) -> tuple[str, ...]:
        """What its row holds, as a tuple."""
        return (self.row,) if isinstance(self.row, str) else self.row


class Measured(NamedTuple):
    """A number of a table with the bounds of its interval, NaN where the cell gives none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Claim:
    """What was published, and what of ours speaks for or against it.

    Attributes:
        says: the claim, in a few words.
        published: its numbers as they were published.
        cells: of our tables; none where it cannot be tested here.
        holds: of the cells' numbers: whether the claim is reproduced.
        wants: what a test would take, where it cannot be tested here; else what limits the verdict.
    """

    says: str
    published: str
    cells: tuple[Cell, ...] = ()
    holds: Callable[..., bool] | None = None
    wants: str = ""


class Judged(NamedTuple):
    """A claim as it ends: our numbers as the tables write them, and the verdict."""

    claim: Claim
    ours: str
    verdict: Verdict


def judge(claim: Claim, tables: Sequence[Table]) -> Judged:
    """Judge a claim by tables.

    Args:
        claim: of which nothing is known where a cell is missing or holds no number: it is "not made yet".
        tables: what its commands made.
    """
    if claim.holds is None:
        return Judged(claim, claim.wants, Verdict.NOT_TESTABLE)
    texts = [_text(cell, tables) for cell in claim.cells]
    numbers = [_measured(text) for text in texts]
    if any(math.isnan(number.value) for number in numbers):
        return Judged(claim, "", Verdict.NOT_MADE)
    ours = "; ".join(
        f"{cell.name or ', '.join(cell.rows)}: {text}"
        for cell, text in zip(claim.cells, texts, strict=True)
        if text is not None
    )
    verdict = Verdict.REPRODUCED if claim.holds(*numbers) else Verdict.NOT_REPRODUCED
    return Judged(claim, ours + (f" ({claim.wants})" if claim.wants else ""), verdict)


def near(ours: Measured, published: float, within: float = 0.03) -> bool:
    """Return whether a number is what was published, give or take."""
    return abs(ours.value - published) <= within


def overlap(one: Measured, other: Measured) -> bool:
    """Return whether two intervals have a number in common."""
    return one.low <= other.high and other.low <= one.high


def _text(cell: Cell, tables: Sequence[Table]) -> str | None:
    """The cell as tables show it; None where there is no such cell or nothing in it."""
    for table in tables:
        if cell.table in table.title and cell.column in table.columns:
            for row in table.rows:
                if set(cell.rows) <= set(map(str, row)):
                    return _shown(row[table.columns.index(cell.column)], cell.difference)
    return None


def _shown(value: Value, difference: bool) -> str | None:
    text = f"{value:.3f}" if isinstance(value, float) else None if value is None else str(value)
    if text is None or not difference:
        return text
    inner = _IN_BRACKETS.fullmatch(text)
    return inner[1] if inner else None


def _measured(text: str | None) -> Measured:
    """The number of a text; "never", as of a success that is not reached, is infinite."""
    if text is not None and text.startswith("never"):
        return Measured(math.inf, math.nan, math.inf)
    numbers = column_numbers([text])
    return Measured(*(math.nan,) * 3) if numbers is None else Measured(*map(float, numbers[0]))
