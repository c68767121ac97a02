"""The house drawn from its imports: rooms and floors, no circle, no long file, no name twice, and what is shipped."""

from __future__ import annotations

import ast
import pkgutil
import subprocess
import sys
import zipfile
from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from builders import ROOT
from builders.checkout import copy_of_the_project

ROOMS = ("credit_gym", "envs", "wrappers", "agents", "baselines")  # lower may not import higher
DATA = {".json", ".yaml", ".html", ".typed", ".css", ".mjs"}
CORE_FLOORS = (
    {"errors", "rng", "spaces", "registration"},
    {"data"},
    {"formats", "store", "estimation", "exact"},
    {"scorers", "metrics"},
    {"credit"},
    {"report"},
    {"testing"},
    {"cli"},
)
AGENT_FLOORS = (
    {"core"},
    {"llm", "rollout"},
    {"scripted", "human", "score_table", "imported", "spec"},
    {"likelihood", "replay"},
    {"learning"},
    {"harnesses"},
)
LOOSE = {  # files at a room's root; everything else lies in a folder that says what it is
    "credit_gym": {"errors", "rng", "spaces", "registration"},
    "envs": {"text_env", "text_vector_env", "inputs", "file_stamp", "remembering", "tool_arguments"},
    "agents": {"core", "spec", "scripted", "human", "score_table", "imported"},
    "baselines": set(),
}
LONGEST = 400
SEES_ALL = ("cli", "testing")  # these stand on top of the house


def sources(room: str) -> list[Path]:
    found = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", f"{room}/*.py"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return sorted(path for path in map(ROOT.joinpath, found) if path.exists())


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "credit_gym" else ("credit_gym", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for room in ROOMS for path in sources(room)}


@cache
def imports(path: Path) -> frozenset[str]:
    """The modules of this project, and others by name, that a file imports, wherever in it the import stands.

    What only type checkers import draws no arrow.
    """
    found: set[str] = set()
    unread: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while unread:
        node = unread.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.add(name if name in FILES else node.module)
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            unread += node.orelse
        elif not isinstance(node, ast.expr):  # an import is a statement, and stands in no expression
            unread += ast.iter_child_nodes(node)
    return frozenset(found)


@cache
def arrows() -> dict[str, set[str]]:
    """Module -> the modules of this project that it imports."""
    return {module: {name for name in imports(path) if name in FILES} - {module} for module, path in FILES.items()}


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else "credit_gym"


def inside(module: str, room: str) -> str:
    """The part of a room that a module lies in; empty for the room's own ``__init__``."""
    parts = module.split(".")[1 if room == "credit_gym" else 2 :]
    return parts[0] if parts else ""


def floor(part: str, floors: tuple[set[str], ...]) -> int:
    (found,) = (number for number, parts in enumerate(floors) if part in parts)
    return found


def test_no_room_imports_one_above_it() -> None:
    wrong = [
        (module, name)
        for module, names in arrows().items()
        for name in names
        if ROOMS.index(room_of(name)) > ROOMS.index(room_of(module))
        and not (room_of(module) == "credit_gym" and inside(module, "credit_gym") in SEES_ALL)
    ]
    assert wrong == []


@pytest.mark.parametrize(("room", "floors"), [("credit_gym", CORE_FLOORS), ("agents", AGENT_FLOORS)])
def test_inside_a_room_arrows_run_down_its_floors(room: str, floors: tuple[set[str], ...]) -> None:
    wrong = []
    for module in FILES:
        if room_of(module) != room or not (part := inside(module, room)):
            continue
        below = {inside(name, room) for name in arrows()[module] if room_of(name) == room} - {"", part}
        wrong += [(module, name) for name in below if floor(name, floors) > floor(part, floors)]
    assert wrong == []


def test_no_two_files_import_each_other_in_a_circle() -> None:
    tuple(TopologicalSorter(arrows()).static_order())  # a circle is an error that lists it


def test_every_import_of_the_project_names_a_file() -> None:
    known = {*FILES, "credit_gym"}
    missing = {
        (module, name)
        for module, path in FILES.items()
        for name in imports(path)
        if name.split(".")[0] == "credit_gym" and name not in known
    }
    assert missing == set()


def test_no_file_is_too_long_to_be_one_idea() -> None:
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in FILES.items()}
    assert {module: length for module, length in lengths.items() if length > LONGEST} == {}


@pytest.mark.parametrize("room", LOOSE)
def test_no_loose_module_lies_at_a_room_s_root(room: str) -> None:
    assert {path.stem for path in (ROOT / room).glob("*.py")} == LOOSE[room] | {"__init__"}


def test_outside_environments_and_commands_no_name_is_given_twice() -> None:
    names = Counter(
        path.parent.name if path.stem == "__init__" else path.stem
        for module, path in FILES.items()
        if room_of(module) != "envs" and path.parent.name != "cli" and path.stem != "__main__"
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_every_file_opens_by_saying_what_it_is() -> None:
    silent = [module for module, path in FILES.items() if not path.read_text("utf-8").startswith(('"""', 'r"""'))]
    assert silent == []


@pytest.mark.parametrize("path", sources("credit_gym/scorers"), ids=lambda p: p.name)
def test_scorers_see_nothing_but_the_batch(path: Path) -> None:
    """No scorer can read an environment, its exact model, or the oracle."""
    own = {inside(module, "credit_gym") for module in imports(path) if module.startswith("credit_gym.")}
    assert own <= {"data", "errors", "estimation", "scorers"}


def test_importing_the_package_is_light() -> None:
    code = "import credit_gym, sys; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"torch", "transformers", "textworld", "alfworld", "vllm", "openai", "anthropic", "ray", "trl", "verl"}
    heavy |= {"math_verify", "sympy", "pettingzoo", "datasets"}
    assert heavy & set(loaded) == set()
    assert {"matplotlib", "pyarrow", "typer", "rich", "scipy", "yaml"} & set(loaded) == set()


def test_a_development_install_shows_every_room_to_whoever_walks_the_package() -> None:
    """Links that git ignores (``make links``) lie where the rooms import from: editors and mypy read them too."""
    for room in ROOMS[1:]:
        assert (ROOT / "credit_gym" / room).resolve() == ROOT / room, f"Run `make links`: credit_gym/{room} is no link."
    found = {name for _, name, _ in pkgutil.walk_packages([str(ROOT / "credit_gym")], "credit_gym.", lambda _: None)}
    assert set(FILES) - {"credit_gym"} <= found


@pytest.mark.slow
def test_the_wheel_holds_every_package_and_data_file_and_nothing_else(tmp_path: Path) -> None:
    copy = copy_of_the_project(tmp_path / "source")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(copy)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    shipped = set(zipfile.ZipFile(wheel).namelist())

    expected = set()
    for room in ROOMS:
        place = Path("credit_gym") if room == "credit_gym" else Path("credit_gym") / room
        for path in (copy / room).rglob("*"):
            if path.suffix == ".py" or path.suffix in DATA:
                expected.add(str(place / path.relative_to(copy / room)))
    assert expected <= shipped
    tops = {name.split("/")[0] for name in shipped}
    assert tops == {"credit_gym", next(t for t in tops if t.endswith(".dist-info"))}
