"""The page of a folder of reproductions: claim, published, ours, verdict, and how each was made; all tables below."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from credit_gym.baselines.claims.catalogue import CATALOGUE
from credit_gym.baselines.claims.claim import Judged, judge
from credit_gym.baselines.claims.making import figures_of, record_of, tables_of
from credit_gym.baselines.claims.reproduction import Reproduction
from credit_gym.formats.whole_file import whole_file
from credit_gym.report.table import Table, to_markdown
from credit_gym.report.tables_page import write_tables_page

PAGE, MARKDOWN, CLAIMS = "index.html", "claims.md", "claims.json"

_LENGTHS = {True: "quick", False: "whole"}


class Answered(NamedTuple):
    """A claim as it ends, and what its tables come from."""

    by: Reproduction
    judged: Judged


def answers(folder: Path, wanted: Sequence[Reproduction] | None = None) -> list[Answered]:
    """Return how every claim ends by the tables in a folder, in the order of the catalogue."""
    return list(_answers(folder, CATALOGUE.values() if wanted is None else wanted))


def list_table() -> Table:
    """Return every reproduction: what it is, its source, what its quick look costs, how a model of yours takes part."""
    rows = [
        (each.name, each.what, each.source, each.quick_seconds, each.large or each.variable)
        for each in CATALOGUE.values()
    ]
    head = ("name", "what", "published as", "CPU seconds, quick", "with models or data of yours")
    return Table("Reproductions", head, tuple(rows))


def claims_table(found: Sequence[Answered]) -> Table:
    """Return claim, published, ours and verdict."""
    rows = [
        (claim.says, by.source, claim.published, ours, verdict.value, by.name) for by, (claim, ours, verdict) in found
    ]
    return Table("Claims", ("claim", "of", "published", "here", "verdict", "made by"), tuple(rows))


def commands_table(folder: Path) -> Table:
    """Return every reproduction with its command and, where it was made, on what and in which time."""
    rows = []
    for each in CATALOGUE.values():
        record = record_of(each, folder)
        how = ("not made", "", None) if record is None else (record.command, _LENGTHS[record.quick], record.minutes)
        rows.append((each.name, each.what, each.source, *how))
    return Table("How each was made", ("name", "what", "published as", "command", "", "minutes"), tuple(rows))


def write_index(folder: Path) -> None:
    """Write the page, the claims as Markdown and as JSON.

    Raises:
        StoreError: a file cannot be written.
    """
    found = answers(folder)
    shown = [claims_table(found), commands_table(folder)]
    figures = {table: figure for each in CATALOGUE.values() for table, figure in figures_of(each, folder)}
    write_tables_page(
        folder / PAGE, title="Reproductions", tables=[*shown, *figures], figure_of=lambda table: figures.get(table)
    )
    _write(folder / MARKDOWN, "\n".join(map(to_markdown, shown)))
    told = [
        {
            "claim": claim.says,
            "source": by.source,
            "published": claim.published,
            "here": ours,
            "verdict": verdict.value,
            "name": by.name,
            "made": None if (record := record_of(by, folder)) is None else asdict(record),
        }
        for by, (claim, ours, verdict) in found
    ]
    _write(folder / CLAIMS, json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def _answers(folder: Path, wanted: Iterable[Reproduction]) -> Iterator[Answered]:
    for each in wanted:
        tables = tables_of(each, folder)
        for claim in each.claims:
            yield Answered(each, judge(claim, tables))


def _write(path: Path, text: str) -> None:
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")
