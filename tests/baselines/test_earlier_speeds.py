"""The speed table beside an earlier one: which lines fell."""

from __future__ import annotations

from pathlib import Path

import pytest

from credit_gym.baselines.protocol.experiment import save_json
from credit_gym.baselines.speed.earlier import FELL, kept_of, read_values
from credit_gym.baselines.speed.measurement import Measurement
from credit_gym.errors import CreditGymError
from credit_gym.report import Table, to_markdown

RATE = Measurement("steps", "steps/s", None, lambda: 1.0)
TIME = Measurement("import", "s", None, lambda: 1.0, "time", lower_is_better=True)


def test_the_page_and_the_json_file_say_the_same_of_before(tmp_path: Path) -> None:
    rows = (("steps", "43,380", "steps/s", "20,000", "2.17x"), ("import", "0.132", "s", "0.5", "3.78x"))
    page, document = tmp_path / "speed.md", tmp_path / "speed.json"
    page.write_text(f"# Speed\n\n{to_markdown(Table('', ('what', 'median', 'unit', 'target', 'ratio'), rows))}")
    save_json(document, {"repeats": 5}, {"steps": {"value": 43380.0}, "import": {"value": 0.132}})
    assert read_values(page) == read_values(document) == {"steps": 43380.0, "import": 0.132}


def test_half_as_fast_is_half_whether_more_or_less_is_better() -> None:
    assert kept_of(RATE, 50.0, 100.0) == kept_of(TIME, 2.0, 1.0) == 0.5
    assert kept_of(RATE, 95.0, 100.0) > FELL > kept_of(TIME, 1.2, 1.0)


@pytest.mark.parametrize(("name", "text"), [("a.json", "[]"), ("a.json", "{"), ("a.md", "| a |\n| - |\n| x | y |\n")])
def test_what_is_no_table_is_one_sentence(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(CreditGymError, match="no table of speeds"):
        read_values(tmp_path / name)
