from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from credit_gym.baselines.claims import belief_claims, creditlab_claims, own_claims, progress_claims, team_claims
from credit_gym.baselines.claims.catalogue import CATALOGUE, in_order, reproduction
from credit_gym.baselines.claims.claim import Verdict
from credit_gym.baselines.claims.index import CLAIMS, PAGE, answers, write_index
from credit_gym.baselines.claims.making import (
    Made,
    MakingError,
    UnsetVariableError,
    command,
    made,
    make,
    make_all,
    record_of,
    tables_of,
)
from credit_gym.baselines.claims.reproduction import Reproduction
from credit_gym.cli import app
from credit_gym.errors import StoreError, UnknownNameError

pytest.importorskip("matplotlib")


def main_of(module: str) -> Callable[..., None]:
    names = (f"credit_gym.baselines.{module}{rest}" for rest in (".__main__", ""))
    return importlib.import_module(next(name for name in names if _is_there(name))).main


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # a module that is no package
        return False


@pytest.mark.parametrize("each", CATALOGUE.values(), ids=lambda each: each.name)
def test_every_command_takes_the_options_that_it_is_given(each: Reproduction) -> None:
    program = typer.Typer()
    program.command()(main_of(each.module))
    for options in ((), each.quick, each.large.split()):
        typer.main.get_command(program).make_context(each.name, [*each.options, *options, "--plots", "x"])


@pytest.mark.parametrize("each", CATALOGUE.values(), ids=lambda each: each.name)
def test_what_a_reproduction_reads_is_made_before_it(each: Reproduction) -> None:
    order = [other.name for other in in_order([each])]
    assert order[-1] == each.name
    assert set(each.reads) - set(CATALOGUE) <= {each.variable}
    assert set(each.reads) & set(CATALOGUE) <= set(order)


def test_every_claim_says_what_was_published_or_what_a_test_would_take() -> None:
    for each in CATALOGUE.values():
        for claim in each.claims:
            assert claim.published or claim.wants
            assert (claim.holds is None) == (not claim.cells)
            assert claim.cells or claim.wants


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean table-1"):
        reproduction("table1")


TINY = replace(
    CATALOGUE["table-1"], quick=("--seeds", "1", "--tasks", "2", "--episodes", "8", "--workers", "1"), claims=()
)


def test_a_table_is_made_once_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    assert made(TINY, tmp_path, quick=True) is None
    record = make(TINY, tmp_path, quick=True)
    assert {path.suffix for path in (tmp_path / "table-1" / "tables").iterdir()} == {".json", ".png", ".svg", ".tex"}
    assert made(TINY, tmp_path, quick=True) == record == record_of(TINY, tmp_path)
    assert made(TINY, tmp_path, quick=False) is None
    assert record.packages["numpy"]
    assert [table.title for table in tables_of(TINY, tmp_path)] == [
        f"credit/Stochastic{noisy}-v0: 1 seeds x 2 tasks x 8 episodes" for noisy in ("", "Noisy")
    ]
    (step,) = make_all([TINY], tmp_path, quick=True)
    assert step.outcome == record


def test_what_fails_says_why_and_ends_nothing_but_its_own(tmp_path: Path) -> None:
    wrong = replace(TINY, name="wrong", quick=(*TINY.quick, "--tasks", "none"))
    absent = replace(TINY, name="absent", options=("--json", "{NO_SUCH_FOLDER}"))
    steps = list(make_all([wrong, absent, TINY], tmp_path, quick=True))
    assert [type(step.outcome) for step in steps] == [MakingError, UnsetVariableError, Made]
    assert "wrong was not made: Invalid value for '--tasks'" in str(steps[0].outcome)
    assert "set NO_SUCH_FOLDER" in str(steps[1].outcome)
    assert [step.left for step in steps] == [2, 1, 0]
    assert "\n" not in "".join(str(step.outcome) for step in steps)


def test_where_others_keep_their_runs_and_data_stands_in_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHO_AND_WHEN_DIR", str(tmp_path))
    assert str(tmp_path) in command(CATALOGUE["who-and-when"], quick=False)
    given = command(CATALOGUE["uncertainty"], quick=False, extra=("--form", "chat"))
    assert given[given.index("--study") + 1] == "delta-belief/runs"
    assert given[-4:] == ["--form", "chat", "--plots", "uncertainty/tables"]


def test_no_name_is_given_twice() -> None:
    modules = (belief_claims, creditlab_claims, own_claims, progress_claims, team_claims)
    assert len(CATALOGUE) == sum(len(module.REPRODUCTIONS) for module in modules)


@pytest.mark.parametrize("text", ['{"x": [', '[{"title": "a", "columns": ["b"], "rows": [[["c"]]]}]'])
def test_damaged_tables_are_not_made_and_hide_nothing_else(tmp_path: Path, text: str) -> None:
    make(TINY, tmp_path, quick=True)
    (tmp_path / "table-1" / "tables" / "tables.json").write_text(text, "utf-8")
    assert made(TINY, tmp_path, quick=True) is None
    write_index(tmp_path)
    assert len(answers(tmp_path)) == sum(len(each.claims) for each in CATALOGUE.values())


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="choose another --folder"):
        make(TINY, tmp_path / "file", quick=True)


def test_the_page_shows_every_claim_whatever_was_made(tmp_path: Path) -> None:
    write_index(tmp_path)
    told = json.loads((tmp_path / CLAIMS).read_text("utf-8"))
    assert len(told) == sum(len(each.claims) for each in CATALOGUE.values()) == len(answers(tmp_path))
    assert {claim["verdict"] for claim in told} == {Verdict.NOT_MADE, Verdict.NOT_TESTABLE}
    page = (tmp_path / PAGE).read_text("utf-8")
    assert all(name in page for name in CATALOGUE)


@pytest.mark.slow
def test_the_command_makes_a_table_and_says_how_its_claims_end(tmp_path: Path) -> None:
    command = ["reproduce", "table-1", "--quick", "--folder", str(tmp_path), "--to", "markdown"]
    for _ in range(2):  # the second time it is there
        result = CliRunner().invoke(app, [*command, "--seeds", "2"])
        assert result.exit_code == 0, result.output
        assert "| reproduced | table-1 |" in result.output
    assert (tmp_path / PAGE).exists()
    assert CliRunner().invoke(app, ["reproduce", "all", "--agent", "x", "--folder", str(tmp_path)]).exit_code == 2
