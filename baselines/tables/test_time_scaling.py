"""What is choosing the best of n episodes by a training-free score worth? Exactly, for every n, from one scoring.

    python -m credit_gym.baselines.tables.test_time_scaling [--study DIR] [--seeds N] [--candidates N] [--markdown FILE]
    python -m credit_gym.baselines.tables.test_time_scaling --trials DIR --policy hf:PATH --reference hf:PATH
    python -m credit_gym.baselines.tables.test_time_scaling --trials DIR --reward-model think_prm:SPEC

Candidates are the episodes of one task in a stored run (--run), a tau2 file (--tau2) or best-of-n folders (--trials).
Without them, on the guessing game: candidates are games of one secret by a policy that ``baselines.delta_belief``
trained. Chance and oracle are exact; ``gap`` is the share of the way from one to the other, with a bootstrap interval
over secrets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from credit_gym.baselines.protocol.compute import ExecutorGpus, ExecutorName, ExecutorWorkers, open_executor
from credit_gym.baselines.protocol.options import (
    MarkdownFile,
    PlotFolder,
    RecordedModel,
    RewardModels,
    StoredRun,
    StudyFolder,
    StudySeeds,
    Tau2File,
    TextForm,
    TrialsFolder,
)
from credit_gym.baselines.protocol.publish import publish
from credit_gym.baselines.protocol.recorded_episodes import Recorded, recorded_episodes
from credit_gym.baselines.protocol.trajectory_scores import trajectory_scores
from credit_gym.baselines.tables.uncertainty import PAIRS, study_batches
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, IntArray
from credit_gym.errors import CreditGymError
from credit_gym.metrics.best_of_n import Selection, best_of
from credit_gym.metrics.statistics import bootstrap
from credit_gym.report import Table
from credit_gym.report.command import run as run_command


def selection_table(title: str, sources: Sequence[Recorded], shown: tuple[int, ...]) -> Table:
    """Success of best-of-k by every score, chance and oracle first; a secret of another seed is another task."""
    scored = [(batch, {**graded, **trajectory_scores(batch, mode=mode)}) for batch, graded, mode in sources]
    pooled = {name: pool(parts) for name, parts in selections(scored).items()}
    one = next(iter(pooled.values()))
    rows: list[tuple[str | None, ...]] = [
        ("chance", *(f"{one.chance.mean():.3f}" for _ in shown), None),
        ("oracle", *(f"{one.oracle.mean(axis=0)[k - 1]:.3f}" for k in shown), None),
    ]
    for name, selection in pooled.items():
        chosen = selection.chosen.mean(axis=0)
        rows.append((name, *(f"{chosen[k - 1]:.3f}" for k in shown), gap(selection, shown[-1])))
    header = ("score", *(f"best of {k}" for k in shown), f"gap recovered at {shown[-1]} [95 % over tasks]")
    return Table(f"{title}: {one.chance.size} tasks", header, tuple(rows))


def selections(scored: Sequence[tuple[EpisodeBatch, Mapping[str, FloatArray]]]) -> dict[str, list[Selection]]:
    """Return what choosing by each score is worth, in every batch.

    Args:
        scored: batches, each with the (E,) values of the same scores by name.
    """
    found: dict[str, list[Selection]] = {}
    for batch, scores in scored:
        for name, values in scores.items():
            found.setdefault(name, []).append(best_of(values, batch.success.astype(np.float64), batch.task))
    return found


def pool(parts: Sequence[Selection]) -> Selection:
    """Return selections of several batches as one; a task of another batch is another task."""
    return Selection(*map(np.concatenate, zip(*parts, strict=True)))


def gap(found: Selection, k: int) -> str | None:
    """The share of the gap with its interval over tasks; None where the oracle is no better than chance."""

    def share(tasks: IntArray) -> float:
        return float(Selection(*(column[tasks] for column in found)).gap_recovered[k - 1])

    recovered = bootstrap(share, np.arange(found.chance.size))
    return None if np.isnan(recovered.value) else f"{recovered:.2f}"


def main(
    study: StudyFolder = Path("runs/belief"),
    seeds: StudySeeds = 5,
    candidates: Annotated[int, typer.Option(min=2, help="Games of every secret.")] = 8,
    run: StoredRun = "",
    tau2: Tau2File = None,
    trials: TrialsFolder = None,
    policy: RecordedModel = "",
    reference: RecordedModel = "",
    reward_model: RewardModels = None,
    form: TextForm = "",
    executor: ExecutorName = "local",
    workers: ExecutorWorkers = None,
    gpus: ExecutorGpus = 0.0,
    markdown: MarkdownFile = None,
    plots: PlotFolder = None,
) -> None:
    """Compare the scores."""
    shown = tuple(k for k in (1, 2, 4, 8, 16, 32) if k <= candidates)
    tables = []
    recorded = bool(run or tau2 or trials or policy or reference or reward_model)
    if recorded:
        given: Any = {"run": run, "tau2": tau2, "trials": trials}
        given |= {"form": form, "reward_models": reward_model or ()}
        with open_executor(executor, workers=workers, gpus=gpus) as place:
            found = recorded_episodes(policy, reference, executor=place, **given)
        most = int(np.bincount(found.batch.task).min())
        if most < 2:
            raise CreditGymError(
                "There is a task with a single episode: to choose one, give at least two of every task."
            )
        ks = tuple(k for k in (1, 2, 4, 8, 16, 32) if k <= most)
        tables.append(selection_table("Recorded episodes", [found], ks))
    for recipe in () if recorded else PAIRS:
        for games, batches in study_batches(study, recipe, seeds, candidates).items():
            title = f"Policy trained by {recipe!r}, {games}, {len(batches)} seeds"
            tables.append(selection_table(title, [Recorded(batch, {}, "default") for batch in batches.values()], shown))
    publish(tables, markdown, plots)


if __name__ == "__main__":
    run_command(main)
