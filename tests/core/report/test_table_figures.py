from __future__ import annotations

import base64
import math
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from builders.episodes import HOSTILE
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.report.cell_numbers import column_numbers
from credit_gym.report.table import Table, Value
from credit_gym.report.tables_page import write_tables_page

pytest.importorskip("matplotlib")

from credit_gym.report.plots import svg
from credit_gym.report.table_figures import draw_table

NAN = math.nan
BARS = Table("Success", ("scorer", "mean", "note"), (("grpo", "0.25 [0.20, 0.30]", "a"), ("crbc", "1.0 ± 0.1", None)))


@pytest.mark.parametrize(
    ("cell", "numbers"),
    [
        (0.5, (0.5, NAN, NAN)),
        (3, (3.0, NAN, NAN)),
        ("2,901", (2901.0, NAN, NAN)),
        ("57%", (57.0, NAN, NAN)),
        ("19.1 %", (19.1, NAN, NAN)),
        ("640 (8 never)", (640.0, NAN, NAN)),
        ("0.348 *", (0.348, NAN, NAN)),
        ("0.240 ± 0.012", (0.240, 0.228, 0.252)),
        ("0.93 [0.91, 0.95]", (0.93, 0.91, 0.95)),
        ("+0.03 [-0.01, +0.07]", (0.03, -0.01, 0.07)),
        ("57.0% [51.2%, 62.0%]", (57.0, 51.2, 62.0)),
        ("160 / 160: +0.009 [-0.093, +0.110]", (0.009, -0.093, 0.110)),
        ("0.785 (+0.284 [+0.115, +0.452])", (0.785, NAN, NAN)),  # the bounds are another number's
    ],
)
def test_a_number_is_read_as_tables_write_it(cell: Value, numbers: tuple[float, float, float]) -> None:
    read = column_numbers([cell])
    assert read is not None
    np.testing.assert_allclose(read, [numbers])


@pytest.mark.parametrize(
    "cell", ["grpo", "max_steps, 0", "6climbs", "v1.2", True, None, NAN, math.inf, 1e300, "9" * 400]
)
def test_what_is_no_number_makes_no_column(cell: Value) -> None:
    assert column_numbers([cell]) is None


def test_a_word_among_numbers_is_an_empty_cell_and_words_as_many_as_numbers_are_words() -> None:
    read = column_numbers([0.5, "never", 0.25])
    assert read is not None
    np.testing.assert_array_equal(read[:, 0], [0.5, NAN, 0.25])
    assert column_numbers([0.5, "never"]) is None


def test_bars_stand_for_the_numbers_and_their_intervals() -> None:
    figure = draw_table(BARS)
    assert figure is not None
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [0.25, 1.0]
    (intervals,) = axes.collections
    ends = [segment[:, 0] for segment in intervals.get_segments()]
    np.testing.assert_allclose(ends, [[0.20, 0.30], [0.9, 1.1]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["grpo · a", "crbc"]


def test_bounds_in_columns_of_their_own_are_intervals_too() -> None:
    heads = ("measure", "difference", "95% low", "95% high", "p")
    figure = draw_table(Table("", heads, (("success", 0.5, 0.25, 1.0, 0.01), ("return", 1.0, 0.5, 1.5, 0.5))))
    assert figure is not None
    assert [axes.get_xlabel() for axes in figure.axes] == ["difference", "p"]
    ends = [segment[:, 0] for segment in figure.axes[0].collections[0].get_segments()]
    np.testing.assert_allclose(ends, [[0.25, 1.0], [0.5, 1.5]])


def test_a_series_of_rows_is_a_curve_a_column() -> None:
    figure = draw_table(
        Table("", ("step", "success", "loss"), (("1", "10.0%", 3.0), ("2", "20.0%", 2.0), ("9", "30.0%", 1.0)))
    )
    assert figure is not None
    lines = [axes.lines[0].get_xydata().tolist() for axes in figure.axes]
    assert lines == [[[1, 10], [2, 20], [9, 30]], [[1, 3], [2, 2], [9, 1]]]


def test_a_series_of_heads_is_a_curve_a_row() -> None:
    heads = ("scorer", "horizon 4", "horizon 8", "horizon 64")
    figure = draw_table(Table("", heads, (("grpo", 1.0, 2.0, 3.0), ("crbc", 4.0, None, 6.0))))
    assert figure is not None
    (axes,) = figure.axes
    assert axes.get_xlabel() == "horizon"
    np.testing.assert_array_equal(
        [line.get_xydata() for line in axes.lines], [[[4, 1], [8, 2], [64, 3]], [[4, 4], [8, NAN], [64, 6]]]
    )


def test_many_columns_are_a_map_with_the_numbers_in_it() -> None:
    heads = ("scorer", *"abcdefgh")
    rows = (("grpo", *range(8)), ("crbc", 0.02544, 1280.0, -0.5, 1e9, None, NAN, "57%", 1e-9))
    figure = draw_table(Table("", heads, rows))
    assert figure is not None
    assert [text.get_text() for text in figure.axes[0].texts] == [
        *map(str, range(8)),
        *("0.025", "1280", "-0.5", "1e+09", "57", "0"),
    ]


def test_a_long_table_is_cut_and_its_title_says_so() -> None:
    figure = draw_table(Table("Long", ("row", "value"), tuple((f"r{i}", i) for i in range(500))))
    assert figure is not None
    assert figure.get_suptitle() == "Long (first 200 of 500)"
    assert len(figure.axes[0].patches) == 200


def test_words_alone_have_no_figure() -> None:
    assert draw_table(Table("", ("a", "b"), (("x", "y"),))) is None
    assert draw_table(Table("", ("a", "b"), ())) is None


@given(
    st.lists(
        st.tuples(*[st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.sampled_from(HOSTILE))] * 4),
        max_size=4,
    )
)
def test_any_table_is_drawn_or_has_no_numbers(rows: list[tuple[Value, ...]]) -> None:
    table = Table(HOSTILE[0], ("a", *HOSTILE[1:4]), tuple(rows))
    columns = [column_numbers([row[i] for row in rows]) for i in range(1, 4)] if rows else []
    assert (draw_table(table) is None) == all(column is None for column in columns)


class Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_a_page_of_tables_has_figures_and_nothing_that_runs_or_fetches(tmp_path: Path) -> None:
    tables = [BARS, Table("".join(HOSTILE), (HOSTILE[0], HOSTILE[1]), tuple((text, 1.0) for text in HOSTILE))]
    for name in ("1.html", "2.html"):
        write_tables_page(tmp_path / name, title=HOSTILE[0], tables=tables)
    page = (tmp_path / "1.html").read_text("utf-8")
    assert page == (tmp_path / "2.html").read_text("utf-8")
    elements = Elements(page).found
    tags = {tag for tag, _ in elements}
    assert tags & {"script", "link", "iframe", "svg", "a", "base", "object", "form"} == set()
    images = [values["src"] for tag, values in elements if tag == "img"]
    assert len(images) == len(tables)
    figure = draw_table(BARS)
    assert figure is not None
    assert images[0] == "data:image/svg+xml;base64," + base64.b64encode(svg(figure)).decode()
    policy = next(values["content"] for tag, values in elements if tag == "meta" and "content" in values)
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script-src" not in policy
    assert not [name for _, values in elements for name in values if name.startswith("on") or name == "style"]
