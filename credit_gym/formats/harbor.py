"""Harbor's folders of jobs and trials: where trajectories lie, and what was found out about each beside it.

A trial has ``agent/trajectory.json``, and ``result.json`` with the task and the verifier's rewards; where that is
missing, ``verifier/reward.json`` or ``reward.txt``. Nothing is followed that leads out of the folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from credit_gym.data.foreign_text import file_text, read_json
from credit_gym.errors import StoreError
from credit_gym.formats.json_values import mapping

TRAJECTORY = "trajectory.json"

_MOST = 1 << 20  # bytes of a file about a trial


class Trial(NamedTuple):
    """A trajectory in a folder.

    Attributes:
        file: the trajectory.
        folder: of the trial.
        name: of that folder within the one that was given.
    """

    file: Path
    folder: Path
    name: str


def trials(path: Path) -> Iterator[Trial]:
    """Yield the trials of a folder, in the order of their names.

    Raises:
        StoreError: the folder holds none.
    """
    found = sorted(
        Path(folder) / TRAJECTORY
        for folder, _, files in os.walk(path)  # which follows no link to a folder
        if TRAJECTORY in files and not (Path(folder) / TRAJECTORY).is_symlink()
    )
    if not found:
        raise StoreError(f"{path} holds no {TRAJECTORY}: give a job or a trial of Harbor, or the file itself.")
    for file in found:
        folder = file.parent.parent if file.parent.name == "agent" and file.parent != path else file.parent
        yield Trial(file, folder, folder.name if folder == path else folder.relative_to(path).as_posix())


def outcome(folder: Path) -> dict[str, Any]:
    """Return what a trial's own files say of its end: ``task_id``, ``reward``, ``truncated``, those that are known.

    Raises:
        ValueError, TypeError: a file is no JSON, or of another form.
        OSError: one cannot be read.
    """
    result = mapping(_value(folder / "result.json"), "result.json")
    rewards = mapping(result.get("verifier_result"), "verifier_result").get("rewards")
    beside = (folder / "verifier" / each for each in ("reward.json", "reward.txt"))
    rewards = next((value for value in (rewards, *map(_value, beside)) if value is not None), None)
    stopped = mapping(result.get("exception_info"), "exception_info").get("exception_type")
    told = {
        "task_id": result.get("task_name"),
        "reward": _one(rewards),
        "truncated": str(stopped).endswith("TimeoutError") or None,
    }
    return {field: value for field, value in told.items() if value is not None}


def _one(rewards: Any) -> Any:
    """The reward: that of this name among several, or the only one."""
    if not isinstance(rewards, dict):
        return rewards
    return rewards["reward"] if "reward" in rewards else next(iter(rewards.values())) if len(rewards) == 1 else None


def _value(path: Path) -> Any:
    """What a file of JSON says; None where there is none."""
    return None if path.is_symlink() or not path.is_file() else read_json(file_text(path, most=_MOST))
