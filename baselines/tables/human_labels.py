"""What people said of each step of an agent's runs, against what scorers say: AgentProcessBench (arXiv:2603.14465).

    AGENT_PROCESS_BENCH_DIR=DIR python -m credit_gym.baselines.tables.human_labels
    python -m credit_gym.baselines.tables.human_labels --data DIR --scorer grpo --scorer gae --threshold 0.1

A credit above the threshold says 1, one below minus the threshold -1, any other 0; by default its sign alone. A scorer
sees the messages and the final label, as a reward of 1 or 0, but no label of a step, and a group is one task's
trajectories. Two rows need no scorer: every step called good, and every step called what the whole run was.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from credit_gym.baselines.protocol.options import MarkdownFile, PlotFolder
from credit_gym.baselines.protocol.publish import publish
from credit_gym.credit.stored_runs import label
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray
from credit_gym.errors import CreditGymError, MissingColumnError
from credit_gym.formats.agent_process_bench import Labelled, Subset, read_process_bench
from credit_gym.metrics.statistics import Estimate
from credit_gym.metrics.step_labels import credit_labels, label_accuracy
from credit_gym.report import Table
from credit_gym.report.command import run as run_command
from credit_gym.scorers import get, names, read_options, score

VARIABLE = "AGENT_PROCESS_BENCH_DIR"
HEADER = ("labels from", "step accuracy [95 %]", "first-error accuracy [95 %]")


def label_table(
    title: str, trajectories: Sequence[Labelled], wanted: Sequence[tuple[str, Mapping[str, Any]]], threshold: float
) -> Table:
    """Return one row for each scorer, after the two that need none.

    Args:
        title: of the table.
        trajectories: labelled runs, at least one.
        wanted: scorers and their options.
        threshold: credits no larger than this say 0.

    Raises:
        MissingColumnError: a scorer needs a column that the trajectories lack.
    """
    batch = EpisodeBatch.from_episodes(each.episode for each in trajectories)
    said = [value for each in trajectories for value in each.labels]
    labelled = np.array([value is not None for value in said], dtype=np.bool_)
    labels = np.array([value or 0 for value in said], dtype=np.int64)

    def row(name: str, credit: FloatArray, least: float) -> tuple[str, str, str]:
        found = label_accuracy(credit_labels(credit, threshold=least), labels, labelled, batch.offsets, batch.task)
        return name, _percent(found.step), _percent(found.first_error)

    outcome = np.where(batch.success, 1.0, -1.0)[batch.episode]
    rows = [row("every step good", np.ones(batch.num_steps), 0.0), row("every step as the whole run", outcome, 0.0)]
    rows += [row(label(name, options), score(batch, name, **options), threshold) for name, options in wanted]
    return Table(title, HEADER, tuple(rows))


def able(trajectories: Sequence[Labelled]) -> Iterator[str]:
    """Yield the scorers that read nothing but what the trajectories hold."""
    batch = EpisodeBatch.from_episodes(each.episode for each in trajectories)
    for name in names():
        try:
            for column in get(name).needs:
                batch.require(column)
        except MissingColumnError:
            continue
        yield name


def _percent(share: Estimate) -> str:
    return f"{Estimate(*(100 * bound for bound in share)):.1f}"


def _title(subset: Subset) -> str:
    tasks = len({each.episode.task_id for each in subset.trajectories})
    damaged = f", {len(subset.damaged)} damaged left out ({subset.damaged[0]})" if subset.damaged else ""
    return f"{subset.name}: {len(subset.trajectories)} trajectories of {tasks} tasks{damaged}"


def _options(scorer: str, texts: Sequence[str]) -> dict[str, Any]:
    pairs = [text.partition("=") for text in texts]
    if wrong := [text for text, (_, equals, _) in zip(texts, pairs, strict=True) if not equals]:
        raise CreditGymError(f"An option is KEY=VALUE, not {wrong[0]!r}.")
    return read_options(scorer, {key: value for key, _, value in pairs})


def main(
    data: Annotated[Path | None, typer.Option(help=f"Folder of its *.jsonl; by default {VARIABLE}.")] = None,
    scorer: Annotated[list[str] | None, typer.Option(help="Repeatable; by default all that can.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="KEY=VALUE of each named scorer; repeatable.")] = None,
    threshold: Annotated[float, typer.Option(min=0.0, help="Credits no larger than this say 0.")] = 0.0,
    markdown: MarkdownFile = None,
    plots: PlotFolder = None,
) -> None:
    """Compare scorers with human labels."""
    folder = data or os.environ.get(VARIABLE)
    if not folder:
        raise CreditGymError(f"Give --data DIR, or set {VARIABLE} to a copy of AgentProcessBench's files.")
    if option and not scorer:
        raise CreditGymError("An --option belongs to a --scorer: name it.")
    named = [(name, _options(name, option or [])) for name in scorer or ()]
    subsets = read_process_bench(folder)
    if len(subsets) > 1:
        whole = [each for subset in subsets for each in subset.trajectories]
        subsets.append(Subset("all", whole, []))
    filled = [subset for subset in subsets if subset.trajectories]
    if not filled:
        why = next((sentence for subset in subsets for sentence in subset.damaged), "its files are empty.")
        raise CreditGymError(f"{folder} holds not one trajectory that can be read: {why}")
    publish(
        (
            label_table(_title(s), s.trajectories, named or [(name, {}) for name in able(s.trajectories)], threshold)
            for s in filled
        ),
        markdown,
        plots,
    )


if __name__ == "__main__":
    run_command(main)
