"""Score stored runs again, without playing anything: the episodes stay, the credits are made anew.

Kept credits carry the fingerprint of what they were computed from (:mod:`credit_gym.credit.fingerprint`), so whoever
asks for credits gets those of the episodes as they are now, however many were played, annotated or removed since.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from credit_gym.credit.assign import score_episodes
from credit_gym.credit.fingerprint import fingerprint
from credit_gym.credit.run_parts import in_parts, layout_of, part_numbers
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import FloatArray
from credit_gym.data.key_functions import function_name
from credit_gym.errors import MissingColumnError, StoreError
from credit_gym.scorers import get
from credit_gym.store import Store
from credit_gym.store.stored_episodes import chosen


class RunCredits(Sequence["tuple[float, ...] | None"]):
    """A scorer's credits of a run: a row an episode, one number a step; None for one that did not complete.

    Args:
        flat: (S,) credits of all its steps, those of an episode that did not complete left at any value.
        steps: (E,) how many steps each episode has.
        completed: (E,) whether it came to its end.
    """

    def __init__(self, flat: FloatArray, steps: Sequence[int], completed: Sequence[bool]) -> None:
        self.flat = flat
        self._ends = np.concatenate([[0], np.cumsum(np.asarray(steps, dtype=np.int64))])
        self._completed = completed

    def __len__(self) -> int:
        return len(self._completed)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        place = range(len(self))[index]
        return tuple(self.flat[self._ends[place] : self._ends[place + 1]].tolist()) if self._completed[place] else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


def score_run(store: Store, run_id: str, episodes: Sequence[Episode], scorer: str, options: Mapping[str, Any]) -> None:
    """Score the episodes of a run and keep the targets in the store.

    Args:
        store: where the run is.
        run_id: the run.
        episodes: its episodes, from ``store.load_episodes(run_id)``; or from ``store.episodes(run_id)``, of which some
            are in memory at a time (:mod:`credit_gym.credit.run_parts`).
        scorer: a registered scorer.
        options: its keyword options, and ``key`` of :func:`~credit_gym.credit.assign.build_targets`.

    Raises:
        UnknownNameError: there is no such scorer, or it has no such option.
        OptionError: the scorer does not take the value of an option.
        MissingColumnError: the episodes lack a column that the scorer needs.
        ReadingError: a value at some step, which is named, cannot be computed with.
    """
    _keep(store, run_id, _answer(episodes, scorer, options), scorer, options)


def run_credits(
    store: Store, run_id: str, episodes: Sequence[Episode], scorer: str, options: Mapping[str, Any]
) -> RunCredits:
    """Return a scorer's credits, a row per episode: the kept ones, or new ones where these are of something else.

    The row of an episode that did not complete is None. New ones are kept where the store can be written. The arguments
    and errors are those of :func:`score_run`.
    """
    layout = layout_of(episodes)
    found = _found(store, run_id, episodes, scorer, options)
    if found is None or found.size != int(layout.steps[layout.completed].sum()):  # none are kept, or they are damaged
        answer = _answer(episodes, scorer, options)
        with suppress(StoreError):  # a folder that is read-only has credits too
            _keep(store, run_id, answer, scorer, options)
        found = answer.credit
    flat = np.full(int(layout.steps.sum()), np.nan)
    flat[np.repeat(layout.completed, layout.steps)] = found
    return RunCredits(flat, layout.steps.tolist(), layout.completed.tolist())


def label(scorer: str, options: Mapping[str, Any]) -> str:
    """Return the name of a scorer with its options, such as ``gae(lam=0.9)``."""
    given = ", ".join(f"{key}={_short(value)}" for key, value in sorted(options.items()))
    return f"{scorer}({given})" if given else scorer


class _Answer(NamedTuple):
    """What a scorer says of the completed episodes of a run, in their order."""

    ids: list[str]
    ends: list[int]
    credit: FloatArray
    mark: str


def _answer(episodes: Sequence[Episode], scorer: str, options: Mapping[str, Any]) -> _Answer:
    whole = get(scorer).scope == "batch"
    try:
        return _scored(episodes, scorer, options, whole=whole)
    except MissingColumnError:  # what the run has a part may lack
        if whole or len(part_numbers(layout_of(episodes))) == 1:
            raise
        return _scored(episodes, scorer, options, whole=True)


def _scored(episodes: Sequence[Episode], scorer: str, options: Mapping[str, Any], *, whole: bool) -> _Answer:
    own = {name: value for name, value in options.items() if name != "key"}
    layout = layout_of(episodes)
    ends = np.cumsum(layout.steps * layout.completed)
    ids, marks, credit = dict[int, str](), list[str](), np.empty(int(ends[-1]) if ends.size else 0)
    for part in in_parts(episodes, options.get("key", "state"), whole=whole):
        scored = score_episodes(chosen(episodes, part.numbers), part.batch, scorer, own)
        credit[np.repeat(ends[part.numbers] - part.batch.offsets[1:], part.batch.lengths) + np.arange(scored.size)] = (
            scored
        )
        ids |= zip(part.numbers.tolist(), part.ids, strict=True)
        marks.append(fingerprint(part.batch, part.ids, scorer, options))
    order = sorted(ids)
    return _Answer([ids[number] for number in order], ends[order].tolist(), credit, _mark(marks))


def _found(
    store: Store, run_id: str, episodes: Sequence[Episode], scorer: str, options: Mapping[str, Any]
) -> FloatArray | None:
    """The kept credits of the completed episodes, if they are of these; the options are checked either way."""
    if not store.has_credits(run_id, scorer, options):
        return None
    ids, marks = dict[int, str](), list[str]()
    for part in in_parts(episodes, options.get("key", "state"), whole=get(scorer).scope == "batch"):
        ids |= zip(part.numbers.tolist(), part.ids, strict=True)
        marks.append(fingerprint(part.batch, part.ids, scorer, options))
    kept = store.find_credits(run_id, scorer, options, _mark(marks))
    if kept is None:
        return None
    return np.fromiter(chain.from_iterable(kept.get(ids[number], ()) for number in sorted(ids)), dtype=np.float64)


def _mark(marks: Sequence[str]) -> str:
    return marks[0] if len(marks) == 1 else hashlib.sha256(" ".join(marks).encode()).hexdigest()


def _keep(store: Store, run_id: str, answer: _Answer, scorer: str, options: Mapping[str, Any]) -> None:
    begins = [0, *answer.ends]
    rows = (
        (name, answer.credit[begin:end].tolist())
        for name, begin, end in zip(answer.ids, begins, answer.ends, strict=False)
    )
    store.add_credits(run_id, scorer, options, rows, episodes=answer.ids, fingerprint=answer.mark)


def _short(value: Any) -> str:
    if callable(value):
        return function_name(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
