"""A run as it is shown: its episodes, what scorers said of their steps, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from credit_gym.credit.assign import score_episodes
from credit_gym.credit.company import Company, company
from credit_gym.credit.run_parts import Part, in_parts, layout_of
from credit_gym.credit.stored_runs import label
from credit_gym.data.columns import COLUMNS
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import FloatArray, IntArray
from credit_gym.data.interning import StoredColumns
from credit_gym.data.key_functions import function_name
from credit_gym.data.keys import Key
from credit_gym.errors import BatchError, CreditGymError
from credit_gym.scorers.explanation import Explanation, Term, explain
from credit_gym.store.stored_episodes import chosen

Credit = FloatArray | Sequence[Sequence[float] | None]
"""Credits of one scorer: flat, (S,) in the order of the episodes, or a row per episode (None: not scored)."""


_AGENT = next(column for column in COLUMNS if column.name == "agent_id")


class Asked(NamedTuple):
    """A scorer and its options, ``key`` among them."""

    scorer: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class ShownRun:
    """A run.

    Attributes:
        name: its id, as links name it.
        title: what it is called.
        episodes: E episodes with S steps together, read when they are wanted.
        credits: label of a scorer -> (S,) credits, NaN where a step was not scored.
        asked: label -> the scorer behind it, where that is known.
        pooled: name of each key in use -> the completed episodes as one batch; none where they make none.
        labels: id of an episode -> what people said of its steps (1, 0, -1, None), before what it was recorded with.
    """

    name: str
    title: str
    episodes: Sequence[Episode]
    credits: Mapping[str, FloatArray]
    asked: Mapping[str, Asked]
    pooled: Mapping[str, Part]
    labels: Mapping[str, Sequence[int | None]] = field(default_factory=dict)

    @cached_property
    def steps(self) -> IntArray:
        """(E,) steps of each episode."""
        return layout_of(self.episodes).steps

    @cached_property
    def agents(self) -> Sequence[str]:
        """(E,) who played each episode."""
        if isinstance(self.episodes, StoredColumns):
            return [*self.episodes.flat_columns([_AGENT]).columns[_AGENT.name]]
        return [episode.agent_id for episode in self.episodes]

    def key_of(self, label: str) -> str:
        """Return the name of the key that a scorer pools states by."""
        return _key_name(_key(self.asked.get(label)))

    @cached_property
    def company(self) -> Mapping[str, Company]:
        """Name of each key in use -> who stood where, -1 and NaN at steps of episodes that did not complete."""
        found = {}
        for name, part in self.pooled.items():
            node, action, *values = company(part.batch)
            places = places_of(part, self.steps)
            numbers = (_spread(each, places, self.steps, -1) for each in (node, action))
            found[name] = Company(*numbers, *(_spread(each, places, self.steps, np.nan) for each in values))
        return found

    @cached_property
    def reasons(self) -> Mapping[str, Explanation]:
        """Label of a scorer -> what its credits are made of, where that is written down."""
        found = {}
        for name, asked in ((name, self.asked[name]) for name in self.credits if name in self.asked):
            part = self.pooled.get(self.key_of(name))
            with suppress(CreditGymError):  # credits of options that the scorer no longer takes are shown without
                why = None if part is None else explain(part.batch, asked.scorer, **_own(asked.options))
                if why is not None and part is not None:
                    places = places_of(part, self.steps)
                    terms = {
                        term: Term(meaning, _spread(values, places, self.steps, np.nan))
                        for term, (meaning, values) in why.terms.items()
                    }
                    found[name] = Explanation(why.equations, terms, why.constants)
        return found


def scored_run(
    name: str,
    title: str,
    episodes: Sequence[Episode],
    asked: Sequence[tuple[str, Mapping[str, Any]]],
    *,
    left_out: Callable[[str, CreditGymError], None] | None = None,
) -> ShownRun:
    """Return a run with the credits of some scorers, made anew; nothing is written anywhere.

    Args:
        name: its id.
        title: what it is called.
        episodes: its episodes.
        asked: scorers with their options, ``key`` among them.
        left_out: told the label of a scorer that cannot score these episodes, and why; None raises the reason.

    Raises:
        CreditGymError: those of :func:`credit_gym.credit.stored_runs.score_run`.
    """
    named = {label(scorer, options): Asked(scorer, options) for scorer, options in asked}
    pooled: dict[str, Part] = {}
    steps, credits = layout_of(episodes).steps, {}
    for shown, each in named.items():
        key = _key(each)
        try:
            part = pooled.get(_key_name(key)) or _one_part(episodes, key)
            pooled[_key_name(key)] = part
            credit = score_episodes(chosen(episodes, part.numbers), part.batch, each.scorer, _own(each.options))
        except CreditGymError as error:
            if left_out is None:
                raise
            left_out(shown, error)
        else:
            credits[shown] = _spread(credit, places_of(part, steps), steps, np.nan)
    return ShownRun(name, title, episodes, credits, named, pooled)


def given_run(
    name: str,
    title: str,
    episodes: Sequence[Episode],
    credits: Mapping[str, Credit],
    asked: Mapping[str, tuple[str, Mapping[str, Any]]],
) -> ShownRun:
    """Return a run with credits that are there already.

    Args:
        name: its id.
        title: what it is called.
        episodes: E episodes with S steps together.
        credits: label of a scorer -> its credits.
        asked: label -> scorer and options, where they are known.

    Raises:
        BatchError: a scorer's credits do not match the episodes.
    """
    steps = layout_of(episodes).steps
    flat = {shown: _flat(shown, credit, steps) for shown, credit in credits.items()}
    named = {shown: Asked(*asked[shown]) for shown in credits if shown in asked}
    keys = {_key_name(key): key for key in (_key(named.get(shown)) for shown in credits)}
    pooled = {}
    for key_name, key in (keys or {"state": _key(None)}).items():
        with suppress(BatchError):  # episodes that cannot be scored can be looked at
            pooled[key_name] = _one_part(episodes, key)
    return ShownRun(name, title, episodes, flat, named, pooled)


def places_of(part: Part, steps: IntArray) -> IntArray:
    """Return the place of each step of a part among those of its run; (S of the part,).

    Args:
        part: some episodes of a run.
        steps: (E,) steps of each episode of the run.
    """
    begins = np.cumsum(steps) - steps
    first = np.repeat(begins[part.numbers] - part.batch.offsets[:-1], part.batch.lengths)
    return first + np.arange(part.batch.num_steps)


def _one_part(episodes: Sequence[Episode], key: Key) -> Part:
    (part,) = in_parts(episodes, key, whole=True)
    return part


def _spread(values: Any, places: IntArray, steps: IntArray, missing: float) -> Any:
    spread = np.full(int(steps.sum()), missing, dtype=values.dtype)
    spread[places] = values
    return spread


def _flat(scorer: str, credit: Credit, steps: IntArray) -> FloatArray:
    if isinstance(credit, np.ndarray):
        if credit.shape != (int(steps.sum()),):
            raise BatchError(f"The credits of {scorer!r} have shape {credit.shape}; there are {steps.sum()} steps.")
        return credit.astype(np.float64)
    rows = list(credit)
    if len(rows) != steps.size or any(row is not None and len(row) != n for row, n in zip(rows, steps, strict=True)):
        raise BatchError(f"The credits of {scorer!r} must be one row per episode and one number per step.")
    return np.concatenate(
        [np.zeros(0), *(np.full(n, np.nan) if row is None else row for row, n in zip(rows, steps, strict=True))]
    )


def _key(asked: Asked | None) -> Key:
    key: Key = "state" if asked is None else asked.options.get("key", "state")
    return key


def _own(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "key"}


def _key_name(key: Key) -> str:
    return function_name(key) if callable(key) else key
