"""What the viewer knows of all episodes at once: how each ended, and of each step its credits and its state.

Columns, in the order of the episodes: ``episodes`` has one value an episode, ``credits``, ``nodes``, ``actions``,
``parents`` and ``references`` have one a step. Texts are numbers of ``texts``, points of replay trees numbers that are
equal where the points are. What a step is made of otherwise lies in leaves of :data:`LEAF` episodes
(:mod:`credit_gym.report.viewer.leaves`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from credit_gym.data.episode import Episode
from credit_gym.report.text import printable
from credit_gym.report.viewer.comparisons import shown_sides
from credit_gym.report.viewer.shown_run import ShownRun
from credit_gym.report.viewer.shown_texts import Texts, all_rounded, rounded

LEAF = 32
"""Episodes of a leaf."""

HUMAN = "human labels"
"""What the reference is called that people said."""

SOLVED, FAILED, CUT, BROKEN = range(4)
"""How an episode ended: solved, ended unsolved, cut off by a limit, or not completed."""


def labels_of(runs: Sequence[ShownRun]) -> list[str]:
    """Return the scorers of some runs, each once."""
    return list(dict.fromkeys(label for run in runs for label in run.credits))


def keys_of(runs: Sequence[ShownRun]) -> list[str]:
    """Return the keys that some runs are pooled by, each once."""
    return list(dict.fromkeys(key for run in runs for key in run.company))


def overview(runs: Sequence[ShownRun]) -> dict[str, Any]:
    """Return the overview of some runs, made of JSON's types."""
    texts = Texts()
    episodes: dict[str, list[Any]] = {name: [] for name in (*_ONCE, "run", "outcome", "return", "error", "steps")}
    references: dict[str, list[Any]] = {"exact advantage": [], "expert": [], HUMAN: []}
    parents, points = list[int | None](), dict[int, int]()  # JavaScript would take two points of 64 bits for one
    roles = list[int]()
    for number, run in enumerate(runs):
        for episode in run.episodes:
            for name, attribute in _ONCE.items():
                episodes[name].append(texts.number(getattr(episode, attribute)))
            episodes["run"].append(number)
            episodes["outcome"].append(_outcome(episode))
            episodes["return"].append(rounded(episode.episode_return))
            episodes["error"].append(-1 if episode.error is None else texts.number(episode.error))
            episodes["steps"].append(len(episode))
            references["exact advantage"] += all_rounded(episode.advantages or (math.nan,) * len(episode))
            references["expert"] += _as_the_expert(episode)
            roles += [texts.number(role) if role else -1 for role in episode.roles or ("",) * len(episode)]
            references[HUMAN] += _human_labels(run, episode)
            recorded = episode.parents or (None,) * len(episode)
            parents += [None if point is None else points.setdefault(point, len(points)) for point in recorded]
    labels, keys = labels_of(runs), keys_of(runs)
    return {
        "leaf": LEAF,
        "runs": [{"name": printable(run.name), "title": printable(run.title)} for run in runs],
        "sides": shown_sides(runs),
        "scorers": [_scorer(label, runs, keys) for label in labels],
        "keys": [printable(key) for key in keys],
        "texts": texts.written,
        "episodes": episodes,
        "credits": [_steps(runs, [run.credits.get(label) for run in runs]) for label in labels],
        "roles": roles if max(roles, default=-1) >= 0 else [],
        "references": {name: each for name, each in references.items() if any(value is not None for value in each)},
        "nodes": [_numbers(runs, key, "node") for key in keys],
        "parents": parents if points else [],
        "actions": _numbers(runs, keys[0], "action") if keys else [],
    }


_ONCE = {
    "id": "episode_id",
    "environment": "env_id",
    "task": "task_id",
    "group": "group_id",
    "agent": "agent_id",
    "goal": "goal",
}


def _outcome(episode: Episode) -> int:
    if episode.error is not None:
        return BROKEN
    return SOLVED if episode.success else CUT if episode.truncated else FAILED


def _as_the_expert(episode: Episode) -> list[int | None]:
    """1 where the expert would have done it, -1 where it would not, None where nobody knows."""
    known = episode.expert_actions or ((),) * len(episode)
    return [(1 if a in best else -1) if best else None for a, best in zip(episode.actions, known, strict=True)]


def _human_labels(run: ShownRun, episode: Episode) -> list[Any]:
    """What people said of each step: the run's labels of the episode, where they have its length, before its own."""
    given = run.labels.get(episode.episode_id, ())
    said = given if len(given) == len(episode) else episode.human_labels or (math.nan,) * len(episode)
    return all_rounded(math.nan if value is None else value for value in said)


def _scorer(label: str, runs: Sequence[ShownRun], keys: Sequence[str]) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": printable(label)}
    for run in runs:
        if label in run.credits and run.key_of(label) in keys:
            shown["key"] = keys.index(run.key_of(label))
        if label in run.reasons:
            why = run.reasons[label]
            shown["equations"] = list(why.equations)
            shown["terms"] = [[name, term.meaning] for name, term in why.terms.items()]
            shown["constants"] = [[name, rounded(value)] for name, value in why.constants.items()]
    return shown


def _steps(runs: Sequence[ShownRun], columns: Sequence[Any]) -> list[float | int | None]:
    """One column a run, None for NaN everywhere, one after the other."""
    whole = [
        np.full(int(run.steps.sum()), np.nan) if column is None else column
        for run, column in zip(runs, columns, strict=True)
    ]
    return all_rounded(np.concatenate([np.zeros(0), *whole]).tolist())


def _numbers(runs: Sequence[ShownRun], key: str, name: str) -> list[int]:
    """Numbers of states or actions of all runs, no number in two of them; -1 where there is none."""
    found, taken = list[int](), 0
    for run in runs:
        if key in run.company:
            column = getattr(run.company[key], name)
            found += np.where(column < 0, -1, column + taken).tolist()
            taken += int(column.max(initial=-1)) + 1
        else:
            found += [-1] * int(run.steps.sum())
    return found
