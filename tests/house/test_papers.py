"""The papers of the house say what is there: paths and modules exist, the glossary is short, examples are short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from builders import ROOT

PAPERS = ("README.md", "ARCHITECTURE.md", "AGENTS.md", "CONTRIBUTING.md", "SECURITY.md")
PAGES = (*PAPERS, "CHANGELOG.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
TOPS = ("credit_gym", "envs", "wrappers", "agents", "baselines", "tests", "docs", "examples", ".github", ".ci")
SUFFIXES = (".md", ".py", ".toml", ".cff", ".svg", ".yml")
ROOMS = ("envs", "wrappers", "agents", "baselines")
NO_MODULES = {"credit_gym.schema"}  # keys in the metadata of a file
WORDS, LINES, SCREEN_AND_A_HALF = 40, 60, 90


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def links(page: str) -> set[Path]:
    found = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text_of(page))
    return {(ROOT / page).parent / link for link in found if "://" not in link}


def paths(page: str) -> set[Path]:
    """What stands in backticks and looks like a path of this repository."""
    found = re.findall(r"`([\w./-]+)`", text_of(page))
    return {ROOT / name for name in found if name.split("/")[0] in TOPS and "/" in name} | {
        ROOT / name for name in found if "/" not in name and name.endswith(SUFFIXES) and name[0].isupper()
    }


def modules(page: str) -> set[str]:
    """The dotted names of this package that a page mentions in prose or shows in code."""
    return set(re.findall(r"\bcredit_gym(?:\.\w+)+", text_of(page))) - NO_MODULES


def is_there(module: str) -> bool:
    """Whether a dotted name is a package, a module, or a name that its module's source holds; nothing is imported."""
    place = ROOT
    parts = module.split(".")
    for number, part in enumerate(parts):
        top = number == 1 and part in ROOMS
        inner = (ROOT if top else place) / part
        if inner.is_dir():
            place = inner
            continue
        file = inner.with_suffix(".py")
        rest = parts[number + 1 :] if file.exists() else parts[number:]
        source = file if file.exists() else place / "__init__.py"
        return all(re.search(rf"\b{name}\b", source.read_text(encoding="utf-8")) for name in rest)
    return True


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    assert {str(path) for path in links(page) if not path.exists()} == set()


@pytest.mark.parametrize("page", PAPERS)
def test_every_path_exists(page: str) -> None:
    assert {str(path.relative_to(ROOT)) for path in paths(page) if not path.exists()} == set()


@pytest.mark.parametrize("page", [page for page in PAGES if page != "CHANGELOG.md"])
def test_every_module_that_is_named_exists(page: str) -> None:
    assert {module for module in modules(page) if not is_there(module)} == set()


def test_every_new_import_of_the_changelog_exists() -> None:
    rows = re.findall(r"^\| (.*) \| (.*) \|$", text_of("CHANGELOG.md"), re.MULTILINE)[1:]
    new = {module for _, cell in rows for module in re.findall(r"credit_gym(?:\.\w+)+", cell)}
    new |= {f"credit_gym.{name}" for _, cell in rows for name in re.findall(r"\bcg\.(\w+)", cell)}
    assert len(rows) > 20
    assert {module for module in new if not is_there(module)} == set()


def test_the_tree_of_the_readme_is_the_tree() -> None:
    tree = re.findall(r"```\n(credit_gym/ .*?)```", text_of("README.md"), re.DOTALL)[-1]
    top, missing = "", []
    for line in tree.splitlines():
        name = line.split()[0]
        top = name if not line.startswith(" ") else top
        path = ROOT / (name if name == top else top + name)
        missing += [] if path.is_dir() else [str(path)]
    assert missing == []
    inside = {line.split()[0].strip("/") for line in tree.splitlines() if line.startswith(" ")}
    rooms = {path.name for room in ("credit_gym", "agents") for path in (ROOT / room).iterdir()}
    packages = {name for name in rooms if any((ROOT / room / name / "__init__.py").exists() for room in TOPS[:4])}
    assert packages - {*ROOMS} <= inside


def test_the_readme_is_a_screen_and_a_half_and_leads_to_every_part_of_the_manual() -> None:
    text = text_of("README.md")
    assert len(text.splitlines()) <= SCREEN_AND_A_HALF
    assert {f"docs/{page}.md" for page in ("start", "environments", "scorers", "training", "extending", "claims")} <= {
        link.relative_to(ROOT).as_posix() for link in links("README.md")
    }


def test_the_numbers_of_the_readme_stand_on_the_page_that_it_links() -> None:
    found = text_of("README.md").split("## What was found")[1].split("## ")[0]
    numbers = re.findall(r"\d\.\d+(?: \[[\d., ]+\])?", found)
    page = text_of("docs/headline.md")
    assert len(numbers) >= 3
    assert [number for number in numbers if number not in page] == []


def test_the_glossary_is_short_and_gives_one_meaning_a_word() -> None:
    words = re.findall(r"^\| \*\*(.+?)\*\* \| .+ \|$", text_of("ARCHITECTURE.md"), re.MULTILINE)
    assert 0 < len(words) <= WORDS
    assert len(set(words)) == len(words)


def test_at_least_ten_questions_are_answered_by_paths() -> None:
    section = text_of("ARCHITECTURE.md").split("## Where is ...?")[1].split("\n## ")[0]
    answers = [line for line in section.splitlines() if line.startswith("|") and "?" in line]
    assert len(answers) >= 10
    assert all(re.search(r"`[\w./]+/[\w./]*`", line.split("|", 2)[2]) for line in answers)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES


def test_the_workflow_calls_what_a_person_calls() -> None:
    workflow = text_of(".github/workflows/test.yml")
    for target in ("lint", "types", "test"):
        assert f"run: make {target}\n" in workflow
        assert f"\n{target}:" in text_of("Makefile")
