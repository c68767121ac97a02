"""BFCL v4's many-turn tasks, from the folder of an unpacked ``bfcl-eval``: nothing of the package is imported.

Its eight back ends are Python files of the folder and are run, as whoever names the folder has chosen: they are loaded
by path, each under its own name, with nothing of the package beside them but the texts they share. What a model's call
may ask of them is bounded before it is made.
"""

from __future__ import annotations

import decimal
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any, cast

from credit_gym.data.foreign_text import file_text, read_json
from credit_gym.envs.file_stamp import Stamp, stamp
from credit_gym.envs.function_calls.gold import Call, read_gold
from credit_gym.envs.function_calls.tasks import Category, Task
from credit_gym.envs.function_calls.world import BackEnd, Document, Library
from credit_gym.errors import ManifestError, MissingExtraError

MODULES: Mapping[str, str] = {
    "GorillaFileSystem": "gorilla_file_system",
    "MathAPI": "math_api",
    "MessageAPI": "message_api",
    "TwitterAPI": "posting_api",
    "TicketAPI": "ticket_api",
    "TradingBot": "trading_bot",
    "TravelAPI": "travel_booking",
    "VehicleControlAPI": "vehicle_control",
}
"""Class -> the module that it is in, and the file of its tools' documents."""

_PACKAGE = "bfcl_eval.eval_checker.multi_turn_eval.func_source_code"
_CODE = Path(*_PACKAGE.split(".")[1:])
_SHARED = "long_context"
_TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": "string"}
_MOST = 1000  # of what the time of a computation grows with
_BOUNDED = frozenset(("exponent", "precision", "decimal_places"))
_NUMBERS = (int, float)
_LOADING = RLock()
_CALLING = RLock()  # mpmath's precision is one for all threads


def find_folder(folder: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder ``bfcl_eval`` of an unpacked wheel.

    Args:
        folder: it, or the one it lies in; by default the variable ``BFCL_DIR``.

    Raises:
        ManifestError: there is none.
    """
    given = os.fspath(folder) if folder is not None else os.environ.get("BFCL_DIR", "")
    for place in (Path(given), Path(given) / "bfcl_eval"):
        if given and (place / "data").is_dir() and (place / _CODE).is_dir():
            return place.resolve()
    raise ManifestError(
        f"{given or 'BFCL_DIR, which is not set,'} is no unpacked bfcl-eval: `pip download --no-deps bfcl-eval`, "
        "unpack the wheel, and name the folder by BFCL_DIR or folder=."
    )


def read_tasks(folder: Path, category: Category) -> tuple[Task, ...]:
    """Return the tasks of a category, in the order of their file.

    Args:
        folder: of :func:`find_folder`.
        category: which of the four.

    Raises:
        ManifestError: a file is missing or malformed.
    """
    name = f"BFCL_v4_multi_turn_{category}.json"
    files = folder / "data" / name, folder / "data" / "possible_answer" / name
    return _tasks(files, category, stamp(*files))


def library(folder: Path) -> Library:
    """Return the back ends of the folder; each is loaded when it is first needed.

    Raises:
        ManifestError: a file is missing, malformed or outside the folder.
    """
    code = [folder / _CODE / f"{name}.py" for name in (*MODULES.values(), _SHARED)]
    return _library(folder, stamp(*code, folder / "data" / "multi_turn_func_doc"))


@lru_cache(8)
def _tasks(files: tuple[Path, Path], category: Category, files_as_they_are: Stamp) -> tuple[Task, ...]:
    questions, answers = map(_rows, files)
    gold = {row.get("id"): row.get("ground_truth") for row in answers}
    tasks = []
    for row in questions:
        try:
            tasks.append(_task(row, category, gold[row["id"]]))
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise ManifestError(f"{files[0]} has a task that cannot be read: {error!r} in {row.get('id')!r}.") from None
    return tuple(tasks)


def _task(row: Mapping[str, Any], category: Category, gold: Any) -> Task:
    if len(gold) != len(row["question"]):
        raise ValueError("not as many turns as answers")
    if missing := [name for name in row["involved_classes"] if name not in MODULES]:
        raise ValueError(f"no back end {missing[0]!r}")
    task = Task(
        id=str(row["id"]),
        category=category,
        turns=tuple(tuple(str(message["content"]) for message in turn) for turn in row["question"]),
        initial_config=dict(row.get("initial_config") or {}),
        involved_classes=tuple(row["involved_classes"]),
        gold=tuple(map(tuple, gold)),
        missed_functions={int(turn): tuple(names) for turn, names in (row.get("missed_function") or {}).items()},
    )
    for call in (call for turn in task.gold for call in turn):
        read_gold(call)
    return task


@lru_cache(2)
def _library(folder: Path, files_as_they_are: Stamp) -> Library:
    return Library(_Classes(folder), _documents(folder), fence=_fence, refusal=_refusal)


class _Classes(dict[str, type[BackEnd]]):
    """The published classes by name, loaded when they are asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __missing__(self, name: str) -> type[BackEnd]:
        with _LOADING:
            self[name] = found = _loaded(self._folder, name)
        return found


def _loaded(folder: Path, name: str) -> type[BackEnd]:
    """A class of the folder, with the method ``load``."""
    shared, before = f"{_PACKAGE}.{_SHARED}", sys.modules.get(f"{_PACKAGE}.{_SHARED}")
    try:
        sys.modules[shared] = _module(folder, _SHARED)
        found = getattr(_module(folder, MODULES[name]), name, None)
    finally:
        sys.modules.pop(shared, None)
        if before is not None:
            sys.modules[shared] = before
    if not inspect.isclass(found):
        raise ManifestError(f"{MODULES[name]}.py of {folder} has no class {name}.")
    begin = getattr(found, "_load_scenario", None)

    def load(self: Any, scenario: dict[str, Any], long_context: bool) -> None:
        if begin is not None:
            begin(self, scenario, long_context=long_context)

    return cast("type[BackEnd]", type(name, (found,), {"load": load}))


def _module(folder: Path, name: str) -> ModuleType:
    path = (folder / _CODE / f"{name}.py").resolve()
    if not path.is_relative_to(folder) or not path.is_file():
        raise ManifestError(f"{folder} holds no {_CODE / name}.py: unpack the whole wheel, without links out of it.")
    spec = importlib.util.spec_from_file_location(f"{_PACKAGE}.{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # the folder stays as it is
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        if error.name == "mpmath":
            raise MissingExtraError("BFCL's MathAPI needs mpmath: pip install mpmath.") from error
        raise ManifestError(f"{path} cannot be loaded: {error}.") from error
    except Exception as error:  # it is a stranger's code
        raise ManifestError(f"{path} cannot be loaded: {error!r}.") from error
    finally:
        sys.dont_write_bytecode = writes
    return module


def _documents(folder: Path) -> Callable[[Sequence[str]], Sequence[Document]]:
    @cache
    def of_class(name: str) -> tuple[Document, ...]:
        rows = _rows(folder / "data" / "multi_turn_func_doc" / f"{MODULES[name]}.json")
        return tuple(
            {
                "name": str(row["name"]),
                "description": str(row.get("description", "")).rpartition("Tool description: ")[2],
                "parameters": _schema(row.get("parameters") or {}),
            }
            for row in rows
        )

    return lambda names: [document for name in names for document in of_class(name)]


def _schema(given: Mapping[str, Any]) -> dict[str, Any]:
    """A published description of a type, as JSON schema names types."""
    schema = dict(given)
    if isinstance(schema.get("type"), str):
        schema["type"] = _TYPES.get(schema["type"], schema["type"])
    if isinstance(schema.get("items"), dict):
        schema["items"] = _schema(schema["items"])
    if isinstance(schema.get("properties"), dict):
        schema["properties"] = {name: _schema(inner) for name, inner in schema["properties"].items()}
    elif schema.get("type") == "object":
        schema["properties"] = {}
    return schema


@contextmanager
def _fence() -> Iterator[None]:
    """What a published call sets for everybody is set back: decimal's precision, and mpmath's."""
    with _CALLING, decimal.localcontext():
        mpmath = sys.modules.get("mpmath")
        digits = mpmath.mp.dps if mpmath is not None else 0
        try:
            yield
        finally:
            if mpmath is not None:
                mpmath.mp.dps = digits


def _refusal(method: Callable[..., Any], call: Call) -> str | None:
    """Why a call is not made: it asks for a number too large to be computed with, or for text to be one."""
    if type(method.__self__).__name__ != "MathAPI":  # type: ignore[attr-defined]
        return None  # no other published tool's time grows with a number
    names = list(inspect.signature(method).parameters)
    for name, value in {**dict(zip(names, call.positional, strict=False)), **call.named}.items():
        if isinstance(value, str) and not name.startswith("unit"):
            return f"The argument {name[:80]!r} must be a number."
        if name in _BOUNDED and isinstance(value, _NUMBERS) and not -_MOST <= value <= _MOST:
            return f"The argument {name!r} must be from -{_MOST} to {_MOST}."
    return None


def _rows(path: Path) -> list[Mapping[str, Any]]:
    try:
        rows = [read_json(line) for line in file_text(path).split("\n") if line.strip()]
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path} cannot be read as a file of BFCL: {error}") from None
    if not all(isinstance(row, dict) for row in rows):
        raise ManifestError(f"{path} cannot be read as a file of BFCL: each line must be an object.")
    return rows
