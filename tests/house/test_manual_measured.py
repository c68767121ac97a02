"""The pages of scorers say what the committed tables say: rank, the columns that matter, where they fail."""

from __future__ import annotations

import importlib
import re
from types import ModuleType

import pytest
from builders import ROOT

from credit_gym.scorers import get, names
from credit_gym.scorers.families import FAMILIES, OTHERS, by_family, family_of


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs"))
        return importlib.import_module("generated_pages")


@pytest.fixture(scope="module")
def rows(pages: ModuleType) -> ModuleType:
    return importlib.import_module("measured_rows")


def test_every_scorer_is_of_one_family_and_every_file_has_some() -> None:
    files = [file for group in FAMILIES.values() for file in group]
    assert len(files) == len(set(files))
    assert {get(name).function.__module__.rpartition(".")[2] for name in names()} == set(files)
    assert OTHERS not in by_family(map(get, names()))


def test_the_page_of_scorers_has_them_in_the_families_of_the_code() -> None:
    listed: dict[str, set[str]] = {}
    for line in (ROOT / "docs" / "scorers.md").read_text("utf-8").split("\n\n")[2].splitlines()[2:]:
        family, scorers, _ = (cell.strip() for cell in line.strip("|").split(" | "))
        listed[re.sub(r"\[(.+?)\]\(.+?\)", r"\1", family)] = set(re.findall(r"\w+", scorers))
    assert list(listed) == list(FAMILIES)
    for name in names():
        assert name in listed[family_of(get(name))], name


@pytest.mark.parametrize("name", names())
def test_a_page_says_what_a_scorer_needs_where_it_fails_and_how_it_ranks(name: str, pages: ModuleType) -> None:
    page = pages.scorer_page(name)
    for part in ("Needs: ", "Compared within: ", f"Family: {family_of(get(name))}.", "Source: ", "(/creditbench.md)"):
        assert part in page
    assert re.search(r"## When it fails\n\n\S", page)
    for option in get(name).options:
        assert f"| `{option}` |" in page


def test_ranks_are_those_of_the_committed_table(rows: ModuleType) -> None:
    text = (ROOT / "docs" / "creditbench.md").read_text("utf-8")
    table = text.split("## Success: mean")[1].split("\n\n")[1].splitlines()[2:]
    at = {line.split(" | ")[0].strip("| "): float(line.split(" | ")[4].split()[0]) for line in table}
    for name in ("combined", "hgpo", "random"):
        row = next(each for each in at if each in (name, f"{name}-like"))
        first = rows.readings(name)[0]
        assert (first.row, first.measure.column, first.rows) == (row, "14 diagnostics", len(at))
        assert first.rank == 1 + sum(other > at[row] for other in at.values())
    assert rows.readings("no such scorer") == []


def test_a_verifier_that_misleads_is_named_on_the_pages_of_those_that_trust_it(pages: ModuleType) -> None:
    for name in ("combined", "branch_aware", "pbrs"):
        assert "regress (0.00), keydoor (0.00)" in pages.scorer_page(name)
    for name in ("crbc", "adaptive_q", "oracle"):
        assert "regress (" not in pages.scorer_page(name)


def test_what_gets_nowhere_without_recurrence_says_so(pages: ModuleType) -> None:
    assert "recurrence 0.0 (" in pages.scorer_page("td_error")
    assert "recurrence 0.0 (" not in pages.scorer_page("grpo")


def test_the_glossary_is_that_of_the_architecture(pages: ModuleType) -> None:
    words = re.findall(r"^\| \*\*(.+?)\*\*", (ROOT / "ARCHITECTURE.md").read_text("utf-8"), re.MULTILINE)
    assert re.findall(r"^\| \*\*(.+?)\*\*", pages.glossary_page(), re.MULTILINE) == words


def test_a_page_has_what_the_docstring_of_its_entry_point_sends_to(pages: ModuleType) -> None:
    spec = next(spec for spec in pages.ENVIRONMENTS if spec.id == "credit/Diagnostic-v0")
    page = pages.environment_page(spec)
    assert ".. automodule:: credit_gym.envs.tabular.diseases" in page
    assert ".. autofunction:: credit_gym.envs.tabular.diagnostic.diagnostic_model" in page


@pytest.mark.parametrize("part", ["Ends", "Tasks", "Published", "Reward", "Verifier"])
def test_a_page_of_an_environment_has_every_rule(part: str, pages: ModuleType) -> None:
    for spec in pages.ENVIRONMENTS:
        assert f"- {part}: " in pages.environment_page(spec)
