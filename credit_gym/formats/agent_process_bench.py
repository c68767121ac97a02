"""AgentProcessBench: chats whose every assistant message people labelled 1, 0 or -1 (2026, arXiv:2603.14465).

A folder has a file of JSON lines a subset. A line is a chat in OpenAI's form with ``step_labels`` (message index ->
label) and ``final_label``; ``query_index`` says which trajectories are of one task. The data carry no licence, so
nothing of them is kept here: ``AGENT_PROCESS_BENCH_DIR`` names a copy. The viewer writes labels in this form too, with
the ids of run and episode beside them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from credit_gym.data.episode import Episode
from credit_gym.errors import StoreError
from credit_gym.formats.chat import chat_episode
from credit_gym.formats.json_records import read_records
from credit_gym.formats.json_values import mapping, name, number, rows


class Labelled(NamedTuple):
    """A trajectory and what people said of it.

    Attributes:
        episode: its group is its task, its reward 1 where the final label is 1, else 0: scorers see the outcome and
            none of the labels of steps, which its ``human_labels`` are.
        labels: of each step 1 (it helps), 0 or -1 (it harms); None where there is none.
    """

    episode: Episode
    labels: tuple[int | None, ...]


class Said(NamedTuple):
    """What people said of one episode.

    Attributes:
        run: the run that it is of, None where the line says none.
        episode: its id.
        labels: as those of :class:`Labelled`.
    """

    run: str | None
    episode: str
    labels: tuple[int | None, ...]


class Subset(NamedTuple):
    """One file.

    Attributes:
        name: of the file, without its ending.
        trajectories: all that can be read, in the order of the file.
        damaged: one sentence for each of the others.
    """

    name: str
    trajectories: list[Labelled]
    damaged: list[str]


def read_process_bench(folder: str | Path) -> list[Subset]:
    """Read the ``*.jsonl`` files of a folder, in the order of their names.

    Beside what the data set holds, a line may have the columns of :data:`~credit_gym.formats.json_values.BESIDE`,
    such as ``policy_logprobs``, so that scorers of token probabilities can be compared too.

    Args:
        folder: where the files are.

    Returns:
        The subsets. Damaged is a line that is no labelled chat, or has the id of one before it.

    Raises:
        StoreError: there is no such file, or one cannot be read at all.
    """
    paths = sorted(Path(folder).glob("*.jsonl"))
    if not paths:
        raise StoreError(f"{folder} has no *.jsonl: give the folder of AgentProcessBench that holds its files.")
    return [_subset(path) for path in paths]


def read_labelled(path: Path) -> Iterator[Episode | StoreError]:
    """Yield the episodes of one file with what people said of their steps, and the sentence about a damaged line.

    Raises:
        StoreError: the file cannot be read.
    """
    for each in read_records(path, lambda row, line: _labelled(row, line, path.stem)):
        yield each if isinstance(each, StoreError) else each.episode


def read_labels(path: Path) -> Iterator[Said | StoreError]:
    """Yield what people said of episodes that are elsewhere, and the sentence about a damaged line.

    An episode is known by its ``episode_id``, else by its ``total_index``.

    Raises:
        StoreError: the file cannot be read.
    """
    return read_records(path, _said)


def _said(row: dict[str, Any], line: int) -> Said:
    run = name(row.get("run_id"), "run_id", "") or None
    episode = name(row.get("episode_id"), "episode_id", name(row.get("total_index"), "total_index", f"line {line}"))
    return Said(run, episode, _labelled(row, line, "").labels)


def _subset(path: Path) -> Subset:
    found: dict[str, Labelled] = {}
    damaged = []
    for each in read_records(path, lambda row, line: _labelled(row, line, path.stem)):
        if isinstance(each, StoreError):
            damaged.append(str(each))
        elif each.episode.episode_id in found:
            damaged.append(f"{path} repeats the id {each.episode.episode_id!r}: make ids unique.")
        else:
            found[each.episode.episode_id] = each
    return Subset(path.stem, list(found.values()), damaged)


def _labelled(row: dict[str, Any], line: int, subset: str) -> Labelled:
    solved = _label(row["final_label"]) == 1
    task = f"{subset}/{name(row.get('query_index'), 'query_index', str(row.get('question') or f'line {line}'))}"
    chat = {
        **row,
        "env_id": f"AgentProcessBench/{subset}",
        "task_id": task,
        "group_id": task,
        "episode_id": f"{subset}/{name(row.get('total_index'), 'total_index', f'line {line}')}",
        "reward": float(solved),
        "rewards": None,
        "success": solved,
    }
    episode = chat_episode(chat, line)
    replies = [i for i, each in enumerate(rows(row["messages"], "messages")) if each.get("role") == "assistant"]
    if len(replies) != len(episode.actions):
        raise ValueError(f"it has {len(replies)} messages of the assistant and {len(episode.actions)} steps")
    labels = _labels(row["step_labels"])
    if strange := sorted(labels.keys() - set(replies)):
        raise ValueError(f"it labels message {strange[0]}, which is not the assistant's")
    given = tuple(labels.get(index) for index in replies)
    said = tuple(math.nan if label is None else float(label) for label in given)
    return Labelled(replace(episode, human_labels=said if labels else None), given)


def _labels(given: Any) -> dict[int, int]:
    """Message index -> label; a list has one for each message, null where there is none."""
    pairs: Mapping[Any, Any] = dict(enumerate(given)) if isinstance(given, list) else mapping(given, "step_labels")
    return {int(index): _label(label) for index, label in pairs.items() if label is not None}


def _label(value: Any) -> int:
    label = number(value, "a label")
    if label not in (-1.0, 0.0, 1.0):
        raise ValueError(f"a label must be 1, 0 or -1, not {label:g}")
    return int(label)
