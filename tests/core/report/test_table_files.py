from __future__ import annotations

import math
from pathlib import Path

import pytest

from credit_gym.errors import StoreError
from credit_gym.report.table import Table, to_latex

pytest.importorskip("matplotlib")

from credit_gym.report.table_files import read_figures, read_tables, write_tables

BARS = Table("Success", ("scorer", "mean", "note"), (("grpo", "0.25 [0.20, 0.30]", "a"), ("crbc", "1.0 ± 0.1", None)))
HOSTILE = Table("../../$x^2$ \ud800 \x1b[1m 漢", ("a", "$b"), (("\u202e", 1.0),))
WORDS = Table("Words alone", ("a", "b"), (("x", True),))


def test_equal_tables_are_written_in_equal_bytes_by_names_of_their_own(tmp_path: Path) -> None:
    for folder in ("1", "2"):
        written = write_tables([BARS, HOSTILE, BARS, WORDS], tmp_path / folder)
        assert [path.name for path in written] == [
            *("success.svg", "success.png", "success.tex", "x_2_1m.svg", "x_2_1m.png", "x_2_1m.tex"),
            *("success_2.svg", "success_2.png", "success_2.tex", "words_alone.tex", "tables.json"),
        ]
        assert {path.name for path in (tmp_path / folder).iterdir()} == {path.name for path in written}
    for path in (tmp_path / "1").iterdir():
        assert path.read_bytes() == (tmp_path / "2" / path.name).read_bytes()
    assert (tmp_path / "1" / "success.svg").read_bytes() == (tmp_path / "1" / "success_2.svg").read_bytes()
    assert [figure is not None for _, figure in read_figures(tmp_path / "1")] == [True, True, True, False]
    assert read_figures(tmp_path / "1")[0] == (BARS, (tmp_path / "1" / "success.svg").read_bytes())
    assert (tmp_path / "1" / "success.tex").read_text("utf-8") == to_latex(BARS)


def test_what_was_written_is_read_back_and_no_number_is_nothing(tmp_path: Path) -> None:
    numbers = Table("Numbers", ("a", "b", "c"), (("x", 0.1, 3), ("y", math.nan, True), ("z", -math.inf, None)))
    write_tables([BARS, HOSTILE, numbers], tmp_path)
    read = read_tables(tmp_path)
    assert read[:2] == [BARS, HOSTILE]
    assert read[2].rows == (("x", 0.1, 3), ("y", None, True), ("z", None, None))


@pytest.mark.parametrize("text", ["", '{"a": 1}', "[1]", '[{"title": "a", "columns": ["b"], "rows": [[1, 2]]}]'])
def test_what_holds_no_tables_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "tables.json").write_text(text, "utf-8")
    with pytest.raises(StoreError, match="holds no tables"):
        read_tables(tmp_path)
    with pytest.raises(StoreError, match="holds no tables"):
        read_tables(tmp_path / "nowhere")
