"""What a training came to so far, from the lines in its folder: a figure, tables, and success before and after."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from credit_gym.data.foreign_text import file_text, read_json
from credit_gym.errors import MissingExtraError
from credit_gym.metrics.statistics import Estimate
from credit_gym.report import Table
from credit_gym.report.plots import Curve, plot_curves, save

CURVE = "curve.jsonl"
EVALUATION = "evaluation.jsonl"
PICTURE = "curve.png"

_MOST_ROWS = 20


def rows_up_to(path: Path, step: float) -> list[dict[str, Any]]:
    """Return the lines of a file up to a step; one that was cut off while it was written is dropped.

    Args:
        path: a file of JSON objects with a ``step``; it need not exist.
        step: the last one.
    """
    kept = []
    for line in file_text(path).splitlines() if path.exists() else ():
        try:
            row = read_json(line)
        except ValueError:
            continue
        if row["step"] <= step:
            kept.append(row)
    return kept


def draw(folder: Path) -> None:
    """Draw success over steps, of the episodes that were trained on and of the evaluations, into ``curve.png``.

    Without matplotlib (extra ``report``) there is no figure.

    Raises:
        StoreError: it cannot be written.
    """
    trained, evaluated = (rows_up_to(folder / name, float("inf")) for name in (CURVE, EVALUATION))
    curves = {}
    if trained:
        played = [row["success"] for row in trained]
        curves["episodes trained on"] = Curve([row["step"] for row in trained], played, [0.0] * len(played))
    if evaluated:
        band = [(row["high"] - row["low"]) / 2 for row in evaluated]
        steps, success = ([row[name] for row in evaluated] for name in ("step", "success"))
        curves["evaluation, 95% interval"] = Curve(steps, success, band)
    with suppress(MissingExtraError):
        save(plot_curves(curves, x="step", y="success"), folder / PICTURE)


def tables(folder: Path) -> list[Table]:
    """Return the evaluations and the curve as tables, the curve at no more than some twenty steps."""
    trained, evaluated = (rows_up_to(folder / name, float("inf")) for name in (CURVE, EVALUATION))
    every = -(-len(trained) // _MOST_ROWS) or 1
    shown = [row for number, row in enumerate(trained, start=1) if number % every == 0 or number in (1, len(trained))]
    found = [
        Table(
            "Evaluations",
            ("step", "episodes", "success", "return"),
            tuple(
                (f"{row['step']:.0f}", f"{row['episodes']:.0f}", _success(row), f"{row['return']:.3f}")
                for row in evaluated
            ),
        ),
        Table(
            "Learning curve",
            ("step", "success", "return", "turns", "loss"),
            tuple(
                (
                    f"{row['step']:.0f}",
                    f"{row['success']:.1%}",
                    *(f"{row[name]:.3f}" for name in ("return", "turns", "loss")),
                )
                for row in shown
            ),
        ),
    ]
    return [table for table in found if table.rows]


def before_and_after(folder: Path) -> str:
    """Return the first evaluation and the last in a sentence, empty where there is none."""
    rows = rows_up_to(folder / EVALUATION, float("inf"))
    if not rows:
        return ""
    said = f"Success before: {_success(rows[0])}"
    return said if len(rows) == 1 else f"{said}; after {rows[-1]['step']:.0f} steps: {_success(rows[-1])}"


def _success(row: Mapping[str, float]) -> str:
    return f"{Estimate(row['success'], row['low'], row['high']):.1%}"
