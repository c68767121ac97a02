"""What is printed and written of the trials."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from credit_gym.baselines.protocol.experiment import save_json
from credit_gym.baselines.stress.growth import allowed
from credit_gym.baselines.stress.rounds import Tally
from credit_gym.baselines.stress.trial import FLAWS
from credit_gym.report import Table, to_markdown
from credit_gym.report.table import Value

_COLUMNS = ("kind", "tried", "survived", *FLAWS, "seconds")
BEGIN, END = "<!-- table -->", "<!-- end of the table -->"
"""Between these the page is written anew."""


def table(tallies: Mapping[str, Tally]) -> Table:
    """Return a row for each kind, and one for all of them."""
    every = Tally([outcome for tally in tallies.values() for outcome in tally.outcomes])
    return Table("Stress", _COLUMNS, tuple(_row(kind, tally) for kind, tally in [*tallies.items(), ("all", every)]))


def write_json(path: Path, tallies: Mapping[str, Tally], *, minutes: float, seed: int) -> None:
    """Write every trial with its note."""
    outcomes = {kind: [asdict(outcome) for outcome in tally.outcomes] for kind, tally in tallies.items()}
    save_json(path, {"baseline": "stress", "minutes": minutes, "seed": seed}, outcomes)


def write_page(path: Path, tallies: Mapping[str, Tally], *, minutes: float, seed: int, only: Sequence[str]) -> None:
    """Write the table, with the command that makes it, between the two marks of a page, or as a page of its own."""
    chosen = "".join(f" --only '{name}'" for name in only)
    made = (
        f"Made on {os.cpu_count()} cores with Python {platform.python_version()} by\n\n"
        f"    credit-gym stress --minutes {minutes:g}{chosen} --seed {seed} --markdown docs/stress.md\n\n"
    )
    content = f"{BEGIN}\n{made}{to_markdown(replace(table(tallies), title=''))}\n{allowed()}\n{END}"
    page = path.read_text("utf-8") if path.exists() else f"{BEGIN}\n{END}\n"
    before, _, rest = page.partition(BEGIN)
    path.write_text(f"{before}{content}{rest.partition(END)[2]}", encoding="utf-8")


def _row(kind: str, tally: Tally) -> tuple[Value, ...]:
    return (kind, tally.tried, tally.survived, *map(tally.count, FLAWS), round(tally.seconds))
