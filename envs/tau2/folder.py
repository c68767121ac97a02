"""The published domains, read from a tau2-bench data folder; the package is not needed for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from credit_gym.envs.file_stamp import Stamp, stamp
from credit_gym.envs.tau2 import airline, mock, orders, reservations, retail
from credit_gym.envs.tau2.database import Tables
from credit_gym.envs.tau2.domain import Domain
from credit_gym.envs.tau2.models import arranged
from credit_gym.envs.tau2.tasks import Task, read_task
from credit_gym.envs.tau2.toolkit import Toolkit
from credit_gym.errors import ManifestError


@dataclass(frozen=True)
class _Published:
    """What a published domain needs beside its files."""

    tools: Toolkit
    upstream_tools: Toolkit
    user_tools: Toolkit
    identify: frozenset[str]
    models: Mapping[str, type]
    functions: Mapping[tuple[str, str], Callable[..., Any]]


_NOBODYS = Toolkit()
PUBLISHED: Mapping[str, _Published] = {
    "mock": _Published(mock.TOOLS, mock.TOOLS, mock.USER_TOOLS, frozenset(), mock.MODELS, mock.FUNCTIONS),
    "retail": _Published(retail.TOOLS, retail.UPSTREAM_TOOLS, _NOBODYS, retail.IDENTIFY, orders.MODELS, {}),
    "airline": _Published(airline.TOOLS, airline.TOOLS, _NOBODYS, airline.IDENTIFY, reservations.MODELS, {}),
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
    places = (folder / "tau2" / "domains" / name, folder / "domains" / name, folder / name)
    place = next((path for path in places if (path / "tasks.json").is_file()), None)
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
    tables = _tables(place, name, kind.models)
    tasks = _tasks(place / "tasks.json")
    splits = {"base": tuple(tasks), **_splits(place / "split_tasks.json", tasks)}
    policy = place / ("policy_solo.md" if solo and (place / "policy_solo.md").is_file() else "policy.md")
    return Domain(
        name=name,
        policy=_read(policy),
        tools=kind.upstream_tools if upstream else kind.tools,
        user_tools=kind.user_tools,
        tables=tables,
        tasks=tasks,
        splits={**splits, "all": tuple(tasks)},
        models=kind.models,
        functions=kind.functions,
        identify=kind.identify,
    )


def _tables(place: Path, name: str, models: Mapping[str, type]) -> Tables:
    """The rows of both databases as tau2's models show them."""
    rows = dict(_mapping(place / "db.json"))
    if (place / "user_db.json").is_file():
        rows.update({f"user:{table}": content for table, content in _mapping(place / "user_db.json").items()})
    absent = sorted(table for table in models if table not in rows and not table.startswith("user:"))
    if absent:
        raise ManifestError(f"{place / 'db.json'} is not the database of {name}: it has no {absent[0]!r}.")
    try:
        return Tables(arranged(rows, models))
    except (TypeError, AttributeError) as error:
        raise ManifestError(f"{place / 'db.json'} is not the database of {name}: {error!r} is wrong in it.") from error


def _tasks(path: Path) -> dict[str, Task]:
    """The tasks by their ids; tau2 takes a list, or an object that holds one."""
    content = _load(path)
    listed = content.get("tasks") if isinstance(content, dict) else content
    if not isinstance(listed, list):
        raise ManifestError(f"{path} holds no list of tasks: fetch the data folder of tau2-bench again.")
    return {task.id: task for task in map(read_task, listed)}


def _splits(path: Path, tasks: Mapping[str, Task]) -> dict[str, tuple[str, ...]]:
    if not path.is_file():
        return {}
    named = _mapping(path)
    if not all(isinstance(ids, list) for ids in named.values()):
        raise ManifestError(f"{path} must hold a list of task ids for each split.")
    splits = {key: tuple(map(str, ids)) for key, ids in named.items()}
    missing = {key for ids in splits.values() for key in ids} - tasks.keys()
    if missing:
        raise ManifestError(f"{path} names the task {min(missing)!r}, which tasks.json lacks.")
    return splits


def _mapping(path: Path) -> dict[str, Any]:
    content = _load(path)
    if not isinstance(content, dict):
        raise ManifestError(f"{path} must hold a JSON object: fetch the data folder of tau2-bench again.")
    return content


def _load(path: Path) -> Any:
    try:
        return json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{path} is not JSON: {error}") from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read: {error}") from error
