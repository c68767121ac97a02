"""What was measured of a scorer, read whenever the manual is built from the tables of CreditBench and of the map."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

BENCH, MAP = "creditbench", "regimes"
CEILING = "oracle"
_NOT_RACED = "–"
SLOWER = 1.25
"""From which multiple of GRPO's episodes on a point of the map is named."""


class Measure(NamedTuple):
    """A column of a table that is ranked: the beginning of the section's title, its name, which end of it is best."""

    section: str
    column: str
    best: str = "most"


MEASURES = (
    Measure("Success: mean", "14 diagnostics"),
    Measure("Success: mean", "policy gradient, all suites"),
    Measure("Fidelity", "top1"),
    Measure("Replay trees", "spearman"),
    Measure("Replay trees", "nrmse", best="least"),
)
"""What matters: success with the harshest trainer and with the kindest, and how close credits are to the exact ones."""


class Reading(NamedTuple):
    """What one row has in one column.

    Attributes:
        row: its name, which says how the scorer was asked.
        measure: the column.
        value: the cell as it stands, with its interval.
        rank: place among all rows of the table, ties sharing the better one.
        rows: how many there are.
    """

    row: str
    measure: Measure
    value: str
    rank: int
    rows: int


def readings(name: str, variants: tuple[str, ...] = ()) -> list[Reading]:
    """Return what was measured of a scorer, rows in the order of the page.

    Args:
        name: of the scorer; "-like" is a name for tables.
        variants: what it does to others' credit, whose rows say "by" so.
    """
    found = []
    for measure in MEASURES:
        table = section(BENCH, measure.section)
        values = {row: _number(cells[measure.column]) for row, cells in table.items()}
        sign = 1 if measure.best == "most" else -1
        for row in filter(lambda row: _is_of(row, name, variants), table):
            rank = 1 + sum(sign * other > sign * values[row] for other in values.values())
            found.append(Reading(row, measure, table[row][measure.column], rank, len(table)))
    return found


def unsolved(name: str) -> list[tuple[str, float]]:
    """Return the suites on which a scorer's table solves less than half of what the exact advantage's does."""
    table = section(BENCH, "Success on every suite")
    row = _row(table, name)
    return [(suite, float(cell)) for suite, cell in row.items() if float(cell) < float(table[CEILING][suite]) / 2]


def slower(name: str) -> list[tuple[str, float]]:
    """Return the points of the map where a scorer needs more episodes than GRPO, and how many times as many."""
    ratios: dict[str, float] = {}
    for title, table in sections(MAP).items():
        if title.startswith("Episodes a task"):
            raced = {point: cell for point, cell in _row(table, name).items() if cell != _NOT_RACED}
            ratios |= {point: _number(cell) / _number(table["grpo"][point]) for point, cell in raced.items()}
    return [(point, ratio) for point, ratio in ratios.items() if ratio >= SLOWER]


def less_faithful(name: str) -> tuple[str, str] | None:
    """Return the rank correlations of a scorer of trees and of flat GRPO at one cost, if it is lower beyond noise."""
    table = section(BENCH, "Replay trees")
    ours, flat = _row(table, name).get("spearman"), table["grpo"]["spearman"]
    return (ours, flat) if ours is not None and _interval(ours)[1] < _interval(flat)[0] else None


def section(page: str, title: str) -> dict[str, dict[str, str]]:
    """Return the table of the section whose title begins so: row -> column -> cell."""
    return next(table for each, table in sections(page).items() if each.startswith(title))


@cache
def sections(page: str) -> dict[str, dict[str, dict[str, str]]]:
    """Return the first table of each section of a page that has one: title -> row -> column -> cell."""
    found = {}
    for part in re.split(r"^## ", Path(__file__).with_name(f"{page}.md").read_text("utf-8"), flags=re.MULTILINE)[1:]:
        title, *lines = part.splitlines()
        listed = [_cells(line) for line in lines if line.startswith("|")]
        if listed:
            head, _, *rows = listed
            found[title] = {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}
    return found


def _row(table: dict[str, dict[str, str]], name: str) -> dict[str, str]:
    return next((cells for each, cells in table.items() if each in (name, f"{name}-like")), {})


def _interval(cell: str) -> tuple[float, ...]:
    return tuple(map(float, re.findall(r"-?[\d.]+", cell)[1:]))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def _number(cell: str) -> float:
    return float(cell.split()[0])


def _is_of(row: str, name: str, variants: tuple[str, ...]) -> bool:
    scorer, _, how = row.partition(", ")
    return scorer in (name, f"{name}-like") or how.removeprefix("by ") in variants


def shown(found: list[Reading]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a table: as what, measure, value, rank."""
    for each in found:
        least = ", least is best" if each.measure.best == "least" else ""
        yield (
            each.row,
            f"{each.measure.section.split(':')[0]}: {each.measure.column}{least}",
            each.value,
            (f"{each.rank} of {each.rows}"),
        )
