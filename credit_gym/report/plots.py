"""Plots of credits and of results; matplotlib (extra ``report``) is imported when the first one is drawn."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from credit_gym.data.episode import Episode
from credit_gym.errors import StoreError, missing_extra
from credit_gym.formats.whole_file import whole_file
from credit_gym.report.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
"""Okabe and Ito's colours, told apart by colour-blind readers too."""

_STYLES = ("-", "--", ":")  # for curves beyond the palette


class Curve(NamedTuple):
    """A line with a band: x, mean and standard deviation, (K,) each."""

    x: npt.ArrayLike
    mean: npt.ArrayLike
    std: npt.ArrayLike


def plot_credits(episode: Episode, credits: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the credits of one episode as a map, scorers down and steps across.

    Each scorer's row is divided by its largest absolute credit, so that colours compare steps, not scorers.

    Args:
        episode: T steps.
        credits: scorer -> (T,) credits, NaN where not scored.
    """
    rows = np.asarray([np.asarray(credit, dtype=np.float64) for credit in credits.values()])
    rows = rows.reshape(len(credits), len(episode))
    largest = np.nanmax(np.abs(rows), axis=1, keepdims=True, initial=0.0)
    figure, (axes,) = new_figure(3.0 + 0.7 * len(episode), 3.6 + 0.35 * len(credits))
    scaled = np.divide(rows, largest, out=np.zeros_like(rows), where=largest > 0.0)
    image = axes.imshow(np.where(np.isnan(rows), np.nan, scaled), cmap=_diverging(), vmin=-1.0, vmax=1.0, aspect="auto")
    axes.set_yticks(range(len(credits)), [axis_label(scorer) for scorer in credits])
    axes.set_xticks(range(len(episode)), [axis_label(action) for action in episode.actions], rotation=35, ha="right")
    figure.colorbar(image, ax=axes, label="credit / largest of the scorer")
    axes.set_title(axis_label(episode.goal or episode.task_id))
    return figure


def plot_bars(values: Mapping[str, Sequence[float]], *, label: str) -> Figure:
    """Draw one bar per row of results: mean over seeds, sample standard deviation, and every seed as a dot.

    Args:
        values: name -> its values over seeds, at least one each.
        label: what the values are.
    """
    figure, (axes,) = new_figure(6.4, 1.0 + 0.32 * len(values))
    for y, seeds in enumerate(np.asarray(list(column), dtype=np.float64) for column in values.values()):
        spread = float(seeds.std(ddof=1)) if seeds.size > 1 else 0.0
        axes.barh(y, seeds.mean(), xerr=spread, color=PALETTE[0], alpha=0.75, error_kw={"lw": 1.0})
        axes.plot(seeds, np.full(seeds.size, y), "o", color="black", ms=2.5, alpha=0.5)
    axes.set_yticks(range(len(values)), [axis_label(name) for name in values])
    axes.invert_yaxis()
    axes.set_xlabel(label)
    return figure


def plot_ratios(values: Mapping[str, Sequence[float]], columns: Sequence[str], *, label: str) -> Figure:
    """Draw a map of ratios, blue below 1 and vermilion above, the number in each cell.

    Args:
        values: row -> its ratios, one a column; NaN leaves a cell empty.
        columns: names of the columns.
        label: what the ratios are.
    """
    grid = np.asarray(list(values.values()), dtype=np.float64).reshape(len(values), len(columns))
    figure, (axes,) = new_figure(3.0 + 0.6 * len(columns), 2.0 + 0.28 * len(values))
    with np.errstate(divide="ignore"):
        image = axes.imshow(-np.log2(grid), cmap=_diverging(), vmin=-3.0, vmax=3.0, aspect="auto")
    for row, column in zip(*np.nonzero(~np.isnan(grid)), strict=True):
        axes.text(column, row, f"{grid[row, column]:.2g}", ha="center", va="center", fontsize=7)
    axes.set_xticks(range(len(columns)), [axis_label(name) for name in columns], rotation=40, ha="right")
    axes.set_yticks(range(len(values)), [axis_label(name) for name in values])
    bar = figure.colorbar(image, ax=axes, ticks=[-3, -2, -1, 0, 1, 2, 3], label=label)
    bar.ax.set_yticklabels(["8", "4", "2", "1", "1/2", "1/4", "1/8"])
    return figure


def plot_curves(curves: Mapping[str, Curve], *, x: str, y: str) -> Figure:
    """Draw learning curves: a line for the mean, a band of one standard deviation."""
    figure, (axes,) = new_figure(6.4, 4.0)
    for i, (name, curve) in enumerate(curves.items()):
        at, mean, std = (np.asarray(column, dtype=np.float64) for column in curve)
        colour, style = line_look(i)
        axes.plot(at, mean, color=colour, ls=style, label=axis_label(name))
        axes.fill_between(at, mean - std, mean + std, color=colour, alpha=0.18, lw=0)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.legend(frameon=False)
    return figure


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure (PNG, PDF or SVG by the ending of the path), whole or not at all; equal figures give equal bytes.

    Raises:
        StoreError: the file cannot be written, or nothing is known of its ending.
    """
    path = Path(path)
    try:
        with whole_file(path) as part, part.open("wb") as file:
            _write(figure, file, path.suffix[1:].lower())
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{path} cannot be written ({error}): give a .png, .pdf or .svg in a folder of yours."
        ) from error


def svg(figure: Figure) -> bytes:
    """Return a figure as SVG; equal figures give equal bytes."""
    file = BytesIO()
    _write(figure, file, "svg")
    return file.getvalue()


def new_figure(width: float, height: float, *, panels: int = 1) -> tuple[Figure, list[Axes]]:
    """Return an empty figure and its panels, side by side; sizes are in inches.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise missing_extra("matplotlib", "report") from None
    figure = Figure(figsize=(width, height), layout="constrained")
    found: list[Axes] = [*figure.subplots(1, panels, squeeze=False)[0]]
    for axes in found:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, found


def axis_label(text: str, *, longest: int = 40) -> str:
    """Return a text for an axis: one line, not long, and no mathematics (``$`` would be set by TeX rules)."""
    line = one_line(text)
    return (line if len(line) <= longest else line[: longest - 1] + "…").replace("$", r"\$")


def line_look(i: int) -> tuple[str, str]:
    """Return colour and style of the i-th curve of a figure."""
    return PALETTE[i % len(PALETTE)], _STYLES[i // len(PALETTE) % len(_STYLES)]


def rising() -> Colormap:
    """Return the colours of what has no sign: white for little, blue for much."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("rising", ["white", PALETTE[4]])


def _diverging() -> Colormap:
    """Return the colours of the HTML report: vermilion for blame, white for nothing, blue for credit."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("credit", [PALETTE[1], "white", PALETTE[0]])


def _write(figure: Figure, file: IO[bytes], format: str) -> None:
    import matplotlib

    undated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(format)
    with matplotlib.rc_context({"svg.hashsalt": "credit_gym"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+")  # a box stands for it
        figure.savefig(file, format=format, dpi=200, metadata=undated)
