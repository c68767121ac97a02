"""Task manifests: tabular environments that are written down in a JSON file (format: ``manifests/schema.json``)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema

from credit_gym.data.foreign_text import file_text, read_json
from credit_gym.envs.tabular.build import Action, Outcome, State, Task, build_model
from credit_gym.errors import ForeignTextError, ManifestError
from credit_gym.exact.tabular_model import TabularModel

Json = Mapping[str, Any]

_FOLDER = resources.files("credit_gym.envs.tabular") / "manifests"


def manifest_model(name: str, path: str | Path | None = None) -> TabularModel:
    """Return the model of the manifest at ``path``, or of the one that ships under a name."""
    return embedded_manifest(name) if path is None else load_manifest(path)


@lru_cache(maxsize=8)
def embedded_manifest(name: str) -> TabularModel:
    """Return the model of a manifest that ships with the package: ``webshop`` or ``alfworld``."""
    file = f"{name}.json"
    return parse_manifest((_FOLDER / file).read_text("utf-8"), file)


def load_manifest(path: str | Path) -> TabularModel:
    """Return the model that a manifest file describes.

    Raises:
        ManifestError: the file cannot be read or is malformed; the message names the file and the place in it.
    """
    try:
        text = file_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"The manifest {path} cannot be read: {error}.") from error
    return parse_manifest(text, str(path))


def parse_manifest(text: str, file: str) -> TabularModel:
    """Return the model that the text of a manifest describes.

    Args:
        text: JSON.
        file: what to call it in error messages.

    Raises:
        ManifestError: the text is not JSON, breaks the schema, or its tasks do not hold together.
    """
    manifest = _parse_json(text, file)
    violation = jsonschema.exceptions.best_match(_validator().iter_errors(manifest))
    if violation is not None:
        raise ManifestError(f"{file}, at {violation.json_path}: {_clip(violation.message)}.")
    tasks = manifest["tasks"]
    repeated = {task["id"] for task in tasks if sum(other["id"] == task["id"] for other in tasks) > 1}
    if repeated:
        raise ManifestError(f"{file}: the task id {sorted(repeated)[0]!r} is used more than once.")
    for task in tasks:
        _check_task(task, f"{file}, task {task['id']!r}")
    try:
        return build_model([_task(task) for task in tasks], verifier_noise=float(manifest.get("verifier_noise", 0.0)))
    except ManifestError as error:
        raise ManifestError(f"{file}: {error}") from error


@lru_cache(maxsize=1)
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((_FOLDER / "schema.json").read_text("utf-8")))


def _parse_json(text: str, file: str) -> Any:
    def refuse_constant(name: str) -> float:
        raise ManifestError(f"{file}: {name} is not a number that a manifest may hold.")

    def refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table: dict[str, Any] = {}
        for key, value in pairs:
            if key in table:
                raise ManifestError(f"{file}: the name {_clip(key)!r} appears twice in one object.")
            table[key] = value
        return table

    try:
        return read_json(text, parse_constant=refuse_constant, object_pairs_hook=refuse_repeats)
    except json.JSONDecodeError as error:
        raise ManifestError(f"{file} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from error
    except ForeignTextError as error:
        raise ManifestError(f"{file} is no manifest: {error}.") from error


def _check_task(task: Json, where: str) -> None:
    """Check what a schema cannot say: targets exist, probabilities sum to 1, success is within reach."""
    states = task["states"]
    if task["start"] not in states:
        raise ManifestError(f"{where}: the start {task['start']!r} is not one of its states.")
    for name, state in states.items():
        if state.get("success") and state.get("actions"):
            raise ManifestError(f"{where}, state {name!r}: a success state ends the episode, so it has no actions.")
        for text, action in state.get("actions", {}).items():
            at = f"{where}, state {name!r}, action {text!r}"
            for outcome in action["outcomes"]:
                if outcome["to"] not in states:
                    raise ManifestError(f"{at}: it leads to {outcome['to']!r}, which is not one of the task's states.")
            total = math.fsum(outcome.get("probability", 1.0) for outcome in action["outcomes"])
            if abs(total - 1.0) > 1e-9:
                raise ManifestError(f"{at}: the probabilities of its outcomes sum to {total:g} instead of 1.")
    if not any(states[name].get("success") for name in _reachable(task)):
        raise ManifestError(f"{where}: no success state can be reached from the start {task['start']!r}.")


def _reachable(task: Json) -> set[str]:
    seen, frontier = {task["start"]}, [task["start"]]
    while frontier:
        actions = task["states"][frontier.pop()].get("actions", {})
        after = {outcome["to"] for action in actions.values() for outcome in action["outcomes"]} - seen
        seen |= after
        frontier.extend(after)
    return seen


def _task(task: Json) -> Task:
    states = tuple(_state(name, state) for name, state in task["states"].items())
    return Task(name=task["id"], goal=task["goal"], states=states, start=task["start"], horizon=task["horizon"])


def _state(name: str, state: Json) -> State:
    actions = state.get("actions", {})
    total = math.fsum(action.get("weight", 1.0) for action in actions.values())
    return State(
        name=name,
        observation=state["observation"],
        actions=tuple(_action(text, action, total) for text, action in actions.items()),
        success=state.get("success", False),
    )


def _action(text: str, action: Json, total_weight: float) -> Action:
    outcomes = tuple(
        Outcome(float(outcome.get("probability", 1.0)), outcome["to"], float(outcome.get("signal", 0)))
        for outcome in action["outcomes"]
    )
    return Action(text, outcomes, (action.get("weight", 1.0) / total_weight,))


def _clip(text: str, limit: int = 200) -> str:
    """Shorten a message that quotes the file."""
    return text if len(text) <= limit else f"{text[:limit]}..."
