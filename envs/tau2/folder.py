"""The published domains, read from a tau2-bench data folder; the package is not needed for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from credit_gym.data.foreign_text import file_text, read_json, read_toml
from credit_gym.envs.file_stamp import Stamp, stamp
from credit_gym.envs.tau2 import airline, mock, orders, phone_tools, reservations, retail, telecom
from credit_gym.envs.tau2.database import Draft, Row, Tables
from credit_gym.envs.tau2.domain import Domain
from credit_gym.envs.tau2.models import arranged
from credit_gym.envs.tau2.phone_owner import PhoneOwner
from credit_gym.envs.tau2.tasks import Task, read_task
from credit_gym.envs.tau2.toolkit import Toolkit
from credit_gym.envs.tau2.users import RecitingUser, User
from credit_gym.errors import ManifestError

Shape = Callable[[Mapping[str, Any]], Mapping[str, Mapping[str, Row]]]
"""Returns the tables of a file with their rows by id."""


@dataclass(frozen=True)
class _Published:
    """What a published domain needs beside its files.

    Attributes:
        folder: where its files lie; by default in one of its name.
        policy: the files of its policy, by the tag that each stands in.
        keyed: gives the rows of a task's own data their ids, where the files have none.
        completed: does so for the files, and fills in what these may leave out.
        customer: who plays the customer without a language model; told their tools.
    """

    tools: Toolkit
    upstream_tools: Toolkit
    user_tools: Toolkit
    identify: frozenset[str]
    models: Mapping[str, type]
    functions: Mapping[tuple[str, str], Callable[..., Any]]
    consent: frozenset[str] | None = None
    sync: Callable[[Draft], None] | None = None
    folder: str | None = None
    policy: Callable[[Path, bool], Mapping[str, Path]] | None = None
    keyed: Shape | None = None
    completed: Shape | None = None
    customer: Callable[[Toolkit], User] = RecitingUser


_NOBODYS = Toolkit()
_TELECOM = _Published(
    telecom.TOOLS,
    telecom.TOOLS,
    phone_tools.USER_TOOLS,
    telecom.IDENTIFY,
    telecom.MODELS,
    telecom.FUNCTIONS,
    consent=telecom.CONSENT,
    sync=telecom.sync,
    folder="telecom",
    policy=telecom.manual,
    keyed=telecom.keyed,
    completed=telecom.completed,
    customer=PhoneOwner,
)
PUBLISHED: Mapping[str, _Published] = {
    "mock": _Published(mock.TOOLS, mock.TOOLS, mock.USER_TOOLS, frozenset(), mock.MODELS, mock.FUNCTIONS),
    "retail": _Published(retail.TOOLS, retail.UPSTREAM_TOOLS, _NOBODYS, retail.IDENTIFY, orders.MODELS, {}),
    "airline": _Published(airline.TOOLS, airline.TOOLS, _NOBODYS, airline.IDENTIFY, reservations.MODELS, {}),
    "telecom": _TELECOM,
    "telecom-workflow": replace(_TELECOM, policy=telecom.workflow),
}
"""The domains whose tools are written here."""


def read_domain(folder: Path, name: str, *, upstream: bool = False, solo: bool = False) -> Domain:
    """Return a published domain; it is read once a process, and again when its folder changed.

    Args:
        folder: the data folder of tau2-bench, the one that holds ``tau2/domains``, or any folder above the domains.
        name: one of :data:`PUBLISHED`.
        upstream: with the tools exactly as tau2 1.0.1 has them.
        solo: with the policy for an agent without a customer, where there is one.

    Raises:
        ManifestError: a file is missing or malformed.
    """
    home = PUBLISHED[name].folder or name
    places = (folder / "tau2" / "domains" / home, folder / "domains" / home, folder / home)
    place = next((path for path in places if _task_files(path)), None)
    if place is None:
        bare = next((path for path in places if path.is_dir()), None)
        raise ManifestError(
            f"There is no tau2 domain {name!r} in {folder}: point TAU2_DATA_DIR at the data folder of tau2-bench."
            if bare is None
            else f"{bare} has no tasks.json: fetch the data folder of tau2-bench again."
        )
    return _domain(place, name, upstream, solo, stamp(place))


@lru_cache(maxsize=8)
def _domain(place: Path, name: str, upstream: bool, solo: bool, _: Stamp) -> Domain:
    kind = PUBLISHED[name]
    tables = _tables(place, name, kind)
    tasks, splits = _tasks_and_splits(place, kind)
    return Domain(
        name=name,
        policy=_policy(place, kind, solo),
        tools=kind.upstream_tools if upstream else kind.tools,
        user_tools=kind.user_tools,
        tables=tables,
        tasks=tasks,
        splits={**splits, "all": tuple(tasks)},
        models=kind.models,
        functions=kind.functions,
        identify=kind.identify,
        consent=kind.consent,
        sync=kind.sync,
    )


def _policy(place: Path, kind: _Published, solo: bool) -> str:
    """The policy; tau2 joins the parts of one in several files with a tag around each."""
    if kind.policy is not None:
        parts = kind.policy(place, solo).items()
        return "\n".join(f"<{tag}>\n{_read(path)}\n</{tag}>" for tag, path in parts)
    alone = place / "policy_solo.md"
    return _read(alone if solo and alone.is_file() else place / "policy.md")


def _tables(place: Path, name: str, kind: _Published) -> Tables:
    """The rows of both databases as tau2's models show them."""
    path, users = (_either(place, stem) for stem in ("db", "user_db"))
    rows = dict(_mapping(path))
    if users.is_file():
        rows.update({f"user:{table}": content for table, content in _mapping(users).items()})
    absent = sorted(table for table in kind.models if table not in rows and not table.startswith("user:"))
    if absent:
        raise ManifestError(f"{path} is not the database of {name}: it has no {absent[0]!r}.")
    try:
        return Tables(arranged(kind.completed(rows) if kind.completed else rows, kind.models))
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise ManifestError(f"{path} is not the database of {name}: {error!r} is wrong in it.") from error


def _tasks_and_splits(place: Path, kind: _Published) -> tuple[dict[str, Task], dict[str, tuple[str, ...]]]:
    """The tasks by their ids, and their splits: those that the split file names, and each further file of tasks."""
    files = _task_files(place)
    read = {path.stem.removeprefix("tasks").lstrip("_") or "base": _tasks(path, kind) for path in files}
    tasks = {key: task for listed in reversed(read.values()) for key, task in listed.items()}
    order = {key: tasks[key] for listed in read.values() for key in listed}
    splits = {name: tuple(listed) for name, listed in read.items()}
    base = splits.setdefault("base", tuple(order))
    named = _splits(place / "split_tasks.json", order, whole="base" in read)
    return order, {"base": base, **splits, **named}


def _task_files(place: Path) -> list[Path]:
    """The files of tasks; a checkout that is not whole may lack the larger ones."""
    return [path for path in (place / name for name in _TASK_FILES) if path.is_file()]


def _tasks(path: Path, kind: _Published) -> dict[str, Task]:
    """The tasks by their ids; tau2 takes a list, or an object that holds one."""
    content = _load(path)
    listed = content.get("tasks") if isinstance(content, dict) else content
    if not isinstance(listed, list):
        raise ManifestError(f"{path} holds no list of tasks: fetch the data folder of tau2-bench again.")
    tasks = map(read_task, listed)
    if kind.keyed is None:
        return {task.id: task for task in tasks}
    try:
        return {task.id: replace(task, initial_data=kind.keyed(task.initial_data)) for task in tasks}
    except (LookupError, TypeError, AttributeError) as error:
        raise ManifestError(
            f"The data of a task in {path} does not fit its domain: {error!r} is wrong in it."
        ) from error


def _splits(path: Path, tasks: Mapping[str, Task], *, whole: bool) -> dict[str, tuple[str, ...]]:
    """The splits; where tasks.json itself is missing, what is left of them."""
    if not path.is_file():
        return {}
    named = _mapping(path)
    if not all(isinstance(ids, list) for ids in named.values()):
        raise ManifestError(f"{path} must hold a list of task ids for each split.")
    splits = {key: tuple(map(str, ids)) for key, ids in named.items()}
    if not whole:
        kept = {key: tuple(name for name in ids if name in tasks) for key, ids in splits.items()}
        return {key: ids for key, ids in kept.items() if ids}
    missing = {key for ids in splits.values() for key in ids} - tasks.keys()
    if missing:
        raise ManifestError(f"{path} names the task {min(missing)!r}, which tasks.json lacks.")
    return splits


def _either(place: Path, stem: str) -> Path:
    """The path of a database in TOML where there is one, else in JSON."""
    toml = place / f"{stem}.toml"
    return toml if toml.is_file() else place / f"{stem}.json"


def _mapping(path: Path) -> dict[str, Any]:
    content = _load(path)
    if not isinstance(content, dict):
        raise ManifestError(f"{path} must hold a JSON object: fetch the data folder of tau2-bench again.")
    return content


def _load(path: Path) -> Any:
    kind, load = ("TOML", read_toml) if path.suffix == ".toml" else ("JSON", read_json)
    try:
        return load(_read(path))
    except ValueError as error:
        raise ManifestError(f"{path} is not {kind}: {error}") from error


def _read(path: Path) -> str:
    try:
        return file_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read: {error}") from error


_TASK_FILES = ("tasks.json", "tasks_small.json", "tasks_full.json")
