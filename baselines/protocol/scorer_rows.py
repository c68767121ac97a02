"""How the baselines show results: one row a scorer, mean and spread over seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from credit_gym.baselines.protocol.experiment import Results
from credit_gym.errors import UnknownNameError
from credit_gym.report import Table
from credit_gym.scorers import get


def display(row: str) -> str:
    """Return how a row is named in tables: stand-ins of learned methods carry "-like"."""
    try:
        return get(row).label
    except UnknownNameError:  # rows such as "ceiling" are no scorers
        return row


def results_table(title: str, results: Results, metrics: Sequence[str], *, spread: bool = True) -> Table:
    """Return rows of ``mean`` or ``mean ± sd`` over seeds.

    Args:
        title: one line above the table.
        results: row -> metric -> summary.
        metrics: columns; a row without one shows a dash.
        spread: whether to add the standard deviation.
    """
    rows = [(display(row), *(_cell(found.get(metric), spread) for metric in metrics)) for row, found in results.items()]
    return Table(title, ("scorer", *metrics), tuple(rows))


def _cell(found: Mapping[str, Any] | None, spread: bool) -> str | float | None:
    if found is None or math.isnan(found["mean"]):
        return None
    return f"{found['mean']:.3f} ± {found['std']:.3f}" if spread else float(found["mean"])
