"""What the store says of a run, of its episodes, and of a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from credit_gym.store.codecs import load, load_mapping


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of one agent in one environment.

    Attributes:
        run_id: ``run_`` and 12 hexadecimal digits.
        group_id: the sweep that the run belongs to, None if it stands alone.
        env_id: Gymnasium id.
        agent_id: who played.
        config: everything else that fixes the run.
        seed: the run's seed.
        status: "running", "finished", or what :meth:`~credit_gym.store.run_store.Store.finish_run` was told.
        created: ISO time in UTC; for people only, nothing is computed from it.
        version: credit_gym's version.
    """

    run_id: str
    group_id: str | None
    env_id: str
    agent_id: str
    config: Mapping[str, Any]
    seed: int | None
    status: str
    created: str
    version: str


RUN_COLUMNS = "run_id, group_id, env_id, agent_id, config, seed, status, created, version"
"""The columns of the table of runs that :func:`run_of_row` takes."""


def run_of_row(row: Sequence[Any]) -> RunRecord:
    """Return the record of a row of runs.

    Raises:
        StoreError: a value in it is damaged.
    """
    run, group, env, agent, config, seed, *rest = row
    return RunRecord(run, group, env, agent, load_mapping(config), None if seed is None else int(load(seed)), *rest)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How the episodes of a run ended.

    Attributes:
        completed: how many came to their end.
        errors: how many did not.
        solved: how many of the completed ones solved their task.
        steps: how many the completed ones have together.
        mean_return: of the completed ones, None where there is none.
    """

    completed: int
    errors: int
    solved: int
    steps: int
    mean_return: float | None


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """One sweep: a configuration; the results of its cells are under the store's ``results``."""

    group_id: str
    config: Mapping[str, Any]
    created: str
    version: str
