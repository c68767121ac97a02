"""The house rules that a machine can check: what is shipped, what imports what, and what importing costs."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from builders import ROOT

ROOMS = ("credit_gym", "envs", "wrappers", "agents", "baselines")  # lower may not import higher
DATA = {".json", ".yaml", ".html", ".typed", ".css", ".js"}


def sources(room: str) -> list[Path]:
    return sorted(p for p in (ROOT / room).rglob("*.py") if "__pycache__" not in p.parts)


def room_of(module: str) -> str | None:
    """The room that a module of the project lives in, None for foreign modules."""
    parts = module.split(".")
    if parts[0] != "credit_gym":
        return None
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else "credit_gym"


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_imports_one_above_it(room: str) -> None:
    higher = set(ROOMS[ROOMS.index(room) + 1 :])
    wrong = [
        (str(path.relative_to(ROOT)), module)
        for path in sources(room)
        if ROOT / "credit_gym" / "cli" not in path.parents  # the command line stands on top of the house
        for module in imports(path)
        if room_of(module) in higher
    ]
    assert wrong == []


@pytest.mark.parametrize("path", sources("credit_gym/scorers"), ids=lambda p: p.name)
def test_scorers_see_nothing_but_the_batch(path: Path) -> None:
    """No scorer can read an environment, its exact model, or the oracle."""
    allowed = {"data", "errors", "estimation", "scorers"}
    own = {module.split(".")[1] for module in imports(path) if module.startswith("credit_gym.")}
    assert own <= allowed


def test_importing_the_package_is_light() -> None:
    code = "import credit_gym, sys; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"torch", "transformers", "textworld", "alfworld", "vllm", "openai", "anthropic", "ray", "trl", "verl"}
    heavy |= {"math_verify", "sympy", "pettingzoo", "datasets"}
    assert heavy & set(loaded) == set()
    assert {"matplotlib", "pyarrow", "typer", "rich", "scipy", "yaml"} & set(loaded) == set()


@pytest.mark.slow
def test_the_wheel_holds_every_package_and_data_file_and_nothing_else(tmp_path: Path) -> None:
    copy = tmp_path / "source"
    names = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    for name in filter(None, names):
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(copy)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    shipped = set(zipfile.ZipFile(wheel).namelist())

    expected = set()
    for room in ROOMS:
        inside = Path("credit_gym") if room == "credit_gym" else Path("credit_gym") / room
        for path in (copy / room).rglob("*"):
            if path.suffix == ".py" or path.suffix in DATA:
                expected.add(str(inside / path.relative_to(copy / room)))
    assert expected <= shipped
    tops = {name.split("/")[0] for name in shipped}
    assert tops == {"credit_gym", next(t for t in tops if t.endswith(".dist-info"))}
