"""Repeat a controlled experiment over seeds and put its results into one plain structure, JSON and table alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from credit_gym.baselines.protocol.controlled import Row, judge_suite, load_model
from credit_gym.data.grouping import FloatArray

Results = dict[str, dict[str, dict[str, Any]]]
"""Row name -> metric -> {"mean", "std", "per_seed"}."""


def judge_seed(
    env_id: str,
    rows: Sequence[Row],
    *,
    seed: int,
    exploration: float,
    episodes_per_task: int,
    trainers: Sequence[str],
    arguments: Mapping[str, Any],
) -> dict[str, dict[str, float]]:
    """Run one seed: its own suite of tasks and its own episodes; return row -> metric -> mean over the tasks."""
    model = load_model(env_id, suite_seed=seed, exploration=exploration, arguments=arguments)
    judged = judge_suite(model, rows, episodes_per_task=episodes_per_task, seed=seed, trainers=trainers)
    return {row: {metric: _mean(values) for metric, values in metrics.items()} for row, metrics in judged.items()}


def run_experiment(
    env_id: str,
    rows: Sequence[Row],
    *,
    seeds: int,
    exploration: float = 0.5,
    episodes_per_task: int = 64,
    trainers: Sequence[str] = ("score_table",),
    workers: int = 1,
    arguments: Mapping[str, Any] | None = None,
) -> Results:
    """Judge every row on ``seeds`` suites; all rows of one seed see the same episodes.

    Args:
        env_id: a controlled environment.
        rows: scorers with options.
        seeds: number of suites; seed s does not depend on how many there are.
        exploration: share of uniform actions in the behaviour.
        episodes_per_task: group size N.
        trainers: see :func:`credit_gym.baselines.protocol.controlled.judge_suite`.
        workers: processes; results do not depend on it.
        arguments: the environment's other arguments.
    """
    settings: dict[str, Any] = {
        "exploration": exploration,
        "episodes_per_task": episodes_per_task,
        "trainers": trainers,
        "arguments": arguments or {},
    }
    if workers == 1:
        judged = [judge_seed(env_id, rows, seed=seed, **settings) for seed in range(seeds)]
    else:
        with ProcessPoolExecutor(workers) as pool:
            futures = [pool.submit(judge_seed, env_id, rows, seed=seed, **settings) for seed in range(seeds)]
            judged = [future.result() for future in futures]
    return collect(judged)


def collect(judged: Sequence[Mapping[str, Mapping[str, float]]]) -> Results:
    """Turn one mapping per seed into means, sample standard deviations and the values per seed."""
    return {
        row: {metric: summary([seed[row][metric] for seed in judged]) for metric in metrics}
        for row, metrics in judged[0].items()
    }


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Return mean and sample standard deviation over seeds (0 for one seed) and the values."""
    array = np.asarray(values, dtype=np.float64)
    std = float(array.std(ddof=1)) if array.size > 1 else 0.0
    return {"mean": float(array.mean()), "std": std, "per_seed": array.tolist()}


def save_json(path: Path, config: Mapping[str, Any], results: Mapping[str, Any]) -> None:
    """Write ``{"config": ..., "results": ...}``; numbers that do not exist are null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = _without_nan({"config": config, "results": results})
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _mean(values: FloatArray) -> float:
    """Mean over the tasks that have a value, NaN if none has."""
    present = values[np.isfinite(values)]
    return float(present.mean()) if present.size else float("nan")
