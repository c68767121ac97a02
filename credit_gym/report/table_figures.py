"""The figure of a table: bars with intervals, curves where rows or columns are a series, a map where columns are many.

Which one is read off the table: its cells (:mod:`credit_gym.report.cell_numbers`) and its heads.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from credit_gym.data.grouping import FloatArray
from credit_gym.report.cell_numbers import column_numbers
from credit_gym.report.plots import PALETTE, axis_label, line_look, new_figure, rising
from credit_gym.report.table import Table, Value
from credit_gym.report.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_ROWS, _MOST_COLUMNS = 200, 60
_MOST_LINES = 14
_MOST_PANELS = 6
_FAR = 1e4  # times the smallest bar, beyond which bars stand on a logarithmic axis
_ROUND = 1e6  # from here on three digits are shown
_SERIES = 3  # points that make a curve
_LONGEST_TITLE = 200


class _Measured(NamedTuple):
    """A column of numbers: its head, and (R, 3) values with the bounds of their intervals."""

    head: str
    numbers: FloatArray


def draw_table(table: Table) -> Figure | None:
    """Draw a table; None where it has no number.

    Args:
        table: of which the first 200 rows and 60 columns of numbers are drawn, and its title says so.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    rows = table.rows[:_MOST_ROWS]
    cells = list(zip(*rows, strict=True))
    numbers = [column_numbers(column) for column in cells]
    measured = _measured(table.columns, numbers) if rows else []
    if not measured:
        return None
    title = table.title if len(rows) == len(table.rows) else f"{table.title} (first {len(rows)} of {len(table.rows)})"
    series = numbers[0]
    if series is not None and len(measured) == len(numbers) - 1 <= _MOST_PANELS and _is_series(series[:, 0]):
        return _rows_as_curves(title, table.columns[0], series[:, 0], measured)
    words = [0, *(i for i in range(1, len(numbers)) if numbers[i] is None)]
    names = [" · ".join(_told(row[i]) for i in words if _told(row[i])) for row in rows]
    heads = _numbered(measured)
    if heads is not None and len(rows) <= _MOST_LINES:
        return _columns_as_curves(title, names, *heads, measured)
    if len(measured) > _MOST_PANELS:
        return _map(title, names, measured[:_MOST_COLUMNS])
    return _bars(title, names, measured)


def _told(value: Value) -> str:
    return "" if value is None or value != value else one_line(str(value))


def _measured(heads: tuple[str, ...], numbers: list[FloatArray | None]) -> list[_Measured]:
    """The columns of numbers after the first, which names the rows; a spread or bounds join what they are of."""
    found: list[_Measured] = []
    for head, column in zip(heads[1:], numbers[1:], strict=True):
        if column is None:
            continue
        if found and head == "sd":
            found[-1].numbers[:, 1:] = found[-1].numbers[:, :1] + column[:, :1] * (-1.0, 1.0)
        elif found and head in ("95% low", "95% high"):
            found[-1].numbers[:, 1 if head == "95% low" else 2] = column[:, 0]
        else:
            found.append(_Measured(head, column))
    return found


def _is_series(values: FloatArray) -> bool:
    return values.size >= _SERIES and bool(np.all(np.diff(values) > 0.0))


def _numbered(measured: list[_Measured]) -> tuple[str, FloatArray] | None:
    """What heads such as "horizon 4", "horizon 8", "horizon 16" count, and how far."""
    parts = [re.fullmatch(r"(\D*?)(\d{1,15}(?:\.\d{1,15})?)(\D*)", column.head) for column in measured]
    words = {f"{part[1]}{part[3]}" for part in parts if part}
    at = np.asarray([float(part[2]) for part in parts if part])
    if len(words) != 1 or at.size < len(parts) or not _is_series(at):
        return None
    return words.pop().strip(" ,:"), at


def _rows_as_curves(title: str, x: str, at: FloatArray, measured: list[_Measured]) -> Figure:
    figure, panels = _panels(title, len(measured), width=3.2, height=2.8)
    for axes, column in zip(panels, measured, strict=True):
        _line(axes, 0, at, column.numbers, "")
        axes.set_xlabel(axis_label(x))
        axes.set_ylabel(axis_label(column.head))
    return figure


def _columns_as_curves(title: str, names: list[str], x: str, at: FloatArray, measured: list[_Measured]) -> Figure:
    figure, (axes,) = _panels(title, 1, width=6.4, height=max(3.6, 0.28 * len(names)))
    for i, name in enumerate(names):
        _line(axes, i, at, np.stack([column.numbers[i] for column in measured]), axis_label(name))
    axes.set_xlabel(axis_label(x))
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
    return figure


def _line(axes: Axes, i: int, at: FloatArray, numbers: FloatArray, name: str) -> None:
    value, low, high = numbers.T
    colour, style = line_look(i)
    axes.plot(at, value, color=colour, ls=style, marker="o", ms=3, label=name)
    axes.fill_between(at, low, high, color=colour, alpha=0.18, lw=0)


def _bars(title: str, names: list[str], measured: list[_Measured]) -> Figure:
    figure, panels = _panels(title, len(measured), width=max(1.9, 5.0 / len(measured)), height=0.6 + 0.24 * len(names))
    for number, (axes, column) in enumerate(zip(panels, measured, strict=True)):
        value, low, high = column.numbers.T
        beyond = np.clip([value - low, high - value], 0.0, None)
        axes.barh(range(len(names)), value, xerr=beyond, color=PALETTE[0], alpha=0.75, error_kw={"lw": 1.0})
        axes.set_yticks(range(len(names)), [axis_label(name) for name in names] if number == 0 else [""] * len(names))
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel(axis_label(column.head))
        least, most = _sizes(value)
        if most > _FAR * least:
            axes.set_xscale("symlog", linthresh=least)
    return figure


def _sizes(values: FloatArray) -> tuple[float, float]:
    """The smallest and the largest size of the values, zeros aside."""
    sizes = np.abs(values[np.nan_to_num(values) != 0.0])
    return (float(sizes.min()), float(sizes.max())) if sizes.size else (1.0, 1.0)


def _map(title: str, names: list[str], measured: list[_Measured]) -> Figure:
    values = np.stack([column.numbers[:, 0] for column in measured], axis=1)
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    shade = np.divide(values - low, high - low, out=np.zeros_like(values), where=high > low)
    size = {"width": 0.6 * len(measured), "height": 1.4 + 0.26 * len(names)}
    figure, (axes,) = _panels(title, 1, **size)
    image = axes.imshow(np.where(np.isnan(values), np.nan, shade), cmap=rising(), vmin=0.0, vmax=1.0, aspect="auto")
    for row, column in zip(*np.nonzero(~np.isnan(values)), strict=True):
        axes.text(column, row, _short(values[row, column]), ha="center", va="center", fontsize=7)
    axes.set_xticks(range(len(measured)), [axis_label(column.head) for column in measured], rotation=40, ha="right")
    axes.set_yticks(range(len(names)), [axis_label(name) for name in names])
    bar = figure.colorbar(image, ax=axes, ticks=[0, 1])
    bar.ax.set_yticklabels(["lowest of\nits column", "highest"], fontsize=7)
    return figure


def _short(value: float) -> str:
    """A number as tables show it, at most three decimals."""
    return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < _ROUND else f"{value:.3g}"


def _panels(title: str, count: int, *, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of panels side by side, ``width`` inches each, and room for the names at their left."""
    whole = 2.6 + width * count
    figure, axes = new_figure(whole, height + 0.8, panels=count)
    lines = textwrap.wrap(axis_label(title, longest=_LONGEST_TITLE), int(10 * whole))
    figure.suptitle("\n".join(lines), fontsize=10)
    return figure, axes
