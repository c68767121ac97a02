"""The published domains, read from a tau2-bench data folder; the package is not needed for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from credit_gym.envs.tau2 import airline, mock, retail
from credit_gym.envs.tau2.database import Row, Tables
from credit_gym.envs.tau2.domain import Domain
from credit_gym.envs.tau2.tasks import read_task
from credit_gym.envs.tau2.toolkit import Toolkit
from credit_gym.errors import ManifestError

Rows = Mapping[str, Mapping[str, Row]]


@dataclass(frozen=True)
class _Published:
    """What a published domain needs beside its files."""

    tools: Toolkit
    upstream_tools: Toolkit
    user_tools: Toolkit
    identify: frozenset[str]
    complete: Callable[[Rows], Rows]
    functions: Mapping[tuple[str, str], Callable[..., Any]]


_NOBODYS = Toolkit()
PUBLISHED: Mapping[str, _Published] = {
    "mock": _Published(mock.TOOLS, mock.TOOLS, mock.USER_TOOLS, frozenset(), lambda rows: rows, mock.FUNCTIONS),
    "retail": _Published(retail.TOOLS, retail.UPSTREAM_TOOLS, _NOBODYS, retail.IDENTIFY, retail.complete, {}),
    "airline": _Published(airline.TOOLS, airline.TOOLS, _NOBODYS, airline.IDENTIFY, airline.complete, {}),
}
"""The domains whose tools are written here."""


@lru_cache(maxsize=8)
def read_domain(folder: Path, name: str, *, upstream: bool = False, solo: bool = False) -> Domain:
    """Return a published domain; it is read once a process.

    Args:
        folder: the data folder of tau2-bench, the one that holds ``tau2/domains``, or any folder above the domains.
        name: one of :data:`PUBLISHED`.
        upstream: with the tools exactly as tau2 1.0.1 has them.
        solo: with the policy for an agent without a customer, where there is one.

    Raises:
        ManifestError: a file is missing or malformed.
    """
    kind = PUBLISHED[name]
    places = (folder / "tau2" / "domains" / name, folder / "domains" / name, folder / name)
    place = next((path for path in places if (path / "tasks.json").is_file()), None)
    if place is None:
        raise ManifestError(
            f"There is no tau2 domain {name!r} in {folder}: point TAU2_DATA_DIR at the data folder of tau2-bench."
        )
    rows = dict(_load(place / "db.json"))
    if (place / "user_db.json").is_file():
        rows.update({f"user:{table}": content for table, content in _load(place / "user_db.json").items()})
    tasks = {task.id: task for task in map(read_task, _load(place / "tasks.json"))}
    splits = {"base": tuple(tasks)}
    if (place / "split_tasks.json").is_file():
        splits.update({key: tuple(map(str, ids)) for key, ids in _load(place / "split_tasks.json").items()})
    missing = {key for ids in splits.values() for key in ids} - tasks.keys()
    if missing:
        raise ManifestError(f"{place / 'split_tasks.json'} names the task {min(missing)!r}, which tasks.json lacks.")
    policy = place / ("policy_solo.md" if solo and (place / "policy_solo.md").is_file() else "policy.md")
    try:
        completed = kind.complete(rows)
    except (KeyError, TypeError, AttributeError) as error:
        raise ManifestError(f"{place / 'db.json'} is not the database of {name}: {error!r} is wrong in it.") from error
    return Domain(
        name=name,
        policy=_read(policy),
        tools=kind.upstream_tools if upstream else kind.tools,
        user_tools=kind.user_tools,
        tables=Tables(completed),
        tasks=tasks,
        splits={**splits, "all": tuple(tasks)},
        functions=kind.functions,
        identify=kind.identify,
    )


def _load(path: Path) -> Any:
    try:
        return json.loads(_read(path))
    except ValueError as error:
        raise ManifestError(f"{path} is not JSON: {error}") from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read: {error}") from error
