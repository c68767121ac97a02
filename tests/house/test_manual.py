"""The manual has a page for everything that has a name, and spells the names as the registries do."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from builders import ROOT

from credit_gym.registration import ENVIRONMENTS
from credit_gym.scorers import names

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
IDS = {spec.id for spec in ENVIRONMENTS}
_ID = re.compile(r"\bcredit/[A-Z]\w{1,60}-v\d\b")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("manual")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs"))
        importlib.import_module("generated_pages").write_pages(folder)
    return folder


def test_every_environment_and_every_scorer_has_its_page(made: Path) -> None:
    assert {path.stem for path in (made / "environments").iterdir()} == {
        *(env_id.removeprefix("credit/") for env_id in IDS),
        "index",
    }
    assert {path.stem for path in (made / "scorers").iterdir()} == {*names(), "index"}
    for path in made.rglob("*.md"):
        assert path.read_text("utf-8").strip(), path


def test_the_contents_lead_to_every_page(made: Path) -> None:
    contents = (ROOT / "docs" / "index.md").read_text("utf-8").split()
    written = {path.stem for path in (ROOT / "docs").glob("*.md")} - {"index"}
    assert written <= set(contents)
    for index in made.rglob("index.md"):
        assert f"generated/{index.parent.name}/index" in contents
        assert {path.stem for path in index.parent.iterdir()} <= {"index", *index.read_text("utf-8").split()}


def test_the_page_of_errors_has_what_is_raised(made: Path) -> None:
    page = (made / "errors.md").read_text("utf-8")
    assert "## UnknownNameError" in page
    assert "holds no tables (…): make them again." in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_environments_as_they_are_registered(page: Path) -> None:
    assert set(_ID.findall(page.read_text("utf-8"))) <= IDS
