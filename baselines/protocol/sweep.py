"""Sweeps: environments x exploration rates x seeds x scorers x trainers as one run group in the store.

A sweep is cut into cells, one per (environment, exploration rate, seed): all scorers and trainers of a cell see the
same suite of tasks. Each cell is a run with an id; its metrics are stored as soon as it is done, so that a sweep that
was stopped resumes where it was, and every report is made from the store alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from credit_gym.baselines.protocol.controlled import TRAINERS, Row
from credit_gym.baselines.protocol.experiment import Results, collect, judge_seed
from credit_gym.data.foreign_text import file_text, read_yaml
from credit_gym.errors import CreditGymError, ForeignTextError, unknown
from credit_gym.registration import ENVIRONMENTS
from credit_gym.store import Store

_ROW = {
    "type": "object",
    "required": ["scorer"],
    "properties": {"scorer": {"type": "string"}, "options": {"type": "object"}, "label": {"type": "string"}},
    "additionalProperties": False,
}
_ENVIRONMENT = {
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "string"}, "arguments": {"type": "object"}, "label": {"type": "string"}},
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "required": ["name", "environments", "scorers"],
    "properties": {
        "name": {"type": "string"},
        "environments": {"type": "array", "minItems": 1, "items": {"oneOf": [{"type": "string"}, _ENVIRONMENT]}},
        "scorers": {"type": "array", "minItems": 1, "items": {"oneOf": [{"type": "string"}, _ROW]}},
        "trainers": {"type": "array", "minItems": 1, "items": {"type": "string"}},
        "seeds": {"type": "integer", "minimum": 1},
        "exploration": {"type": "array", "minItems": 1, "items": {"type": "number", "minimum": 0, "maximum": 1}},
        "episodes_per_task": {"type": "integer", "minimum": 1},
    },
    "additionalProperties": False,
}
DEFAULTS: Mapping[str, Any] = {
    "trainers": ["score_table"],
    "seeds": 15,
    "exploration": [0.5],
    "episodes_per_task": 64,
}


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Attributes:
        label: name of the environment in tables.
        env_id: a controlled environment.
        arguments: its arguments.
        exploration: share of uniform actions in the behaviour.
        seed: seed of suite and sampling.
    """

    label: str
    env_id: str
    arguments: Mapping[str, Any]
    exploration: float
    seed: int

    @property
    def name(self) -> str:
        """Key of the cell in the store."""
        return f"{self.label}|{self.exploration:g}|{self.seed}"


def load_config(path: str | Path) -> dict[str, Any]:
    """Read and check a sweep configuration: a YAML file, or the name of one that ships with the package.

    Raises:
        CreditGymError: the file is missing or malformed, or it names something that does not exist.
    """
    file = Path(path)
    if file.exists():
        text = _text(file)
    else:
        shipped = {p.name: p for p in (resources.files("credit_gym.baselines.protocol") / "configs").iterdir()}
        name = file.name if file.suffix else f"{file.name}.yaml"
        if name not in shipped:
            raise unknown("sweep configuration", str(path), shipped)
        text = shipped[name].read_text(encoding="utf-8")
    try:
        config = read_yaml(text)
    except ForeignTextError as error:
        raise CreditGymError(f"{path} cannot be read as a sweep: {error}.") from None
    return check_config(config, str(path))


def _text(file: Path) -> str:
    try:
        return file_text(file)
    except (OSError, UnicodeDecodeError) as error:
        raise CreditGymError(f"{file} cannot be read as a sweep: {error}.") from None


def check_config(config: Any, where: str = "The configuration") -> dict[str, Any]:
    """Return the configuration with defaults filled in.

    Raises:
        CreditGymError: it does not fit the schema, names an unknown environment, scorer or trainer, or an option does
            not fit its scorer.
    """
    problem = next(iter(sorted(Draft202012Validator(SCHEMA).iter_errors(config), key=str)), None)
    if problem is not None:
        place = "/".join(map(str, problem.absolute_path)) or "the top level"
        raise CreditGymError(f"{where} is not a sweep: at {place}, {problem.message}.")
    full = {**DEFAULTS, **config}
    for entry in full["scorers"]:
        Row.parse(entry)
    for trainer in full["trainers"]:
        if trainer not in TRAINERS:
            raise unknown("trainer", trainer, TRAINERS)
    known = {spec.id for spec in ENVIRONMENTS if spec.controlled}
    for cell in cells(full):
        if cell.env_id not in known:
            raise unknown("controlled environment", cell.env_id, known)
    return full


def cells(config: Mapping[str, Any]) -> Iterator[Cell]:
    """Yield the cells of a complete configuration, in a fixed order."""
    for entry in config["environments"]:
        environment: Mapping[str, Any] = {"id": entry} if isinstance(entry, str) else entry
        label = environment.get("label") or _label(environment)
        for exploration in config["exploration"]:
            for seed in range(config["seeds"]):
                yield Cell(label, environment["id"], environment.get("arguments", {}), exploration, seed)


def run_sweep(
    config: Mapping[str, Any],
    store: Store,
    *,
    resume: str | None = None,
    on_cell: Callable[[Cell, int, int], None] | None = None,
) -> str:
    """Run the cells that are not in the store yet; return the group id.

    Args:
        config: a configuration as :func:`check_config` returns it.
        store: where runs and results go.
        resume: group id of a sweep of the same configuration that was stopped.
        on_cell: called after each cell with it, the number done, and the number in all.

    Raises:
        CreditGymError: the group to resume belongs to another configuration.
    """
    group_id = resume or store.start_group(config)
    if resume and dict(store.group(resume).config) != dict(config):
        raise CreditGymError(f"Group {resume} belongs to another configuration; resume it with its own.")
    rows = [Row.parse(entry) for entry in config["scorers"]]
    done = store.results(group_id)
    todo = list(cells(config))
    for number, cell in enumerate(todo, start=1):
        if cell.name not in done:
            _run_cell(cell, rows, config, store, group_id)
        if on_cell is not None:
            on_cell(cell, number, len(todo))
    return group_id


def sweep_results(store: Store, group_id: str) -> dict[str, Results]:
    """Return "environment, exploration" -> row -> metric -> summary over seeds, from the store alone.

    Cells that are not done yet are left out.
    """
    config, stored = store.group(group_id).config, store.results(group_id)
    judged: dict[str, list[Any]] = {}
    for cell in cells(config):
        if cell.name in stored:
            title = f"{cell.label}, exploration {cell.exploration:g}"
            judged.setdefault(title, []).append(stored[cell.name]["metrics"])
    return {title: collect(seeds) for title, seeds in judged.items()}


def _run_cell(cell: Cell, rows: list[Row], config: Mapping[str, Any], store: Store, group_id: str) -> None:
    settings = {"episodes_per_task": config["episodes_per_task"], "trainers": list(config["trainers"])}
    run_id = store.start_run(
        env_id=cell.env_id,
        agent_id="behaviour",
        config={"arguments": dict(cell.arguments), "exploration": cell.exploration, **settings},
        seed=cell.seed,
        group_id=group_id,
    )
    metrics = judge_seed(
        cell.env_id, rows, seed=cell.seed, exploration=cell.exploration, arguments=cell.arguments, **settings
    )
    store.set_result(group_id, cell.name, {"run": run_id, "metrics": metrics})
    store.finish_run(run_id)


def _label(environment: Mapping[str, Any]) -> str:
    name: str = environment["id"]
    arguments = ",".join(f"{key}={value}" for key, value in environment.get("arguments", {}).items())
    return name + (f"({arguments})" if arguments else "")
