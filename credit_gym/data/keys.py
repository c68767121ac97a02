"""Keys: what states are told apart by, and so pooled by, within a group.

| key | two points are one state if they have the same |
|---|---|
| ``state`` | hash of the true state; where there is none, as in an imported chat, the text before the turn |
| ``observation`` | text that the agent saw |
| ``text`` | normal text that it saw (:mod:`credit_gym.data.normal_text`) |
| ``similar`` | normal text, or nearly (:mod:`credit_gym.data.similarity`) |
| ``call`` | last tool call, its arguments and whether it erred (:mod:`credit_gym.data.call_history`) |
| ``calls`` | set of tool calls made so far (likewise) |
| ``belief`` | belief in the truth, rounded to half a bit, and in the distractors where that was recorded |
| ``auto`` | what the key that :func:`choose_key` chooses says |
| a function | what it returns (:mod:`credit_gym.data.key_functions`) |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import chain
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from credit_gym.data.call_history import calls_so_far, last_calls
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import BoolArray, IntArray, compact
from credit_gym.data.key_functions import KeyFunction, given_labels
from credit_gym.data.normal_text import normal
from credit_gym.data.recurrence import visited_by_others
from credit_gym.data.similarity import alike
from credit_gym.errors import MissingColumnError, UnknownNameError, unknown

KeyName = Literal["state", "observation", "text", "similar", "call", "calls", "belief", "auto"]
Key: TypeAlias = KeyName | KeyFunction
ShownKey = Literal["state", "observation"]
"""The keys that the point itself shows, so that an agent can tell states apart by them as it acts."""

KEYS: tuple[KeyName, ...] = tuple(name for name in get_args(KeyName) if name != "auto")
"""The keys that have a name; not the one that stands for another."""

TRIED: tuple[KeyName, ...] = ("state", "belief", "observation", "text", "call", "calls", "similar")
"""What ``auto`` tries, in this order; ``state`` only where some episode has true states, that are not its texts."""

ENOUGH, FRESH = 0.25, 0.5
"""What ``auto`` asks of a key: least share of the steps after the first that recur, least share that are fresh."""

_Rows: TypeAlias = Sequence[Sequence[str]]
_BITS_A_BIN = 0.5


class Recurrence(NamedTuple):
    """How often states recur under a key; shares of steps, 0 where there are none.

    Attributes:
        key: the key.
        share: of all steps: another episode of the group visited the state too.
        later: the same among the steps that are not the first of their episode, as these recur by themselves.
        fresh: of all steps: the first visit to its state in its episode. Where it is small the key is blind: it shows
            an episode the same few states again and again, such as "yes" and "no".
    """

    key: Key
    share: float
    later: float
    fresh: float


def labels(episodes: Sequence[Episode], key: Key) -> _Rows:
    """Return what each point is known by under a key, in O(n) of the text.

    Args:
        episodes: E episodes.
        key: a name, or a function.

    Returns:
        E rows of T+1 texts. They do not depend on the order of the episodes nor, whichever key it is that ``auto``
        chooses, on episodes of other groups.

    Raises:
        UnknownNameError: there is no such key.
        MissingColumnError: no episode has the column that it reads.
        BatchError: a function does not give one label a point.
    """
    check_key(key)
    if callable(key):
        return [given_labels(key, episode) for episode in episodes]
    return _LABELS[key](episodes)


def check_key(key: Key) -> None:
    """Check what states are to be pooled by.

    Raises:
        UnknownNameError: it is no name of a key, and no function.
    """
    if callable(key) or key in get_args(KeyName):
        return
    if isinstance(key, str) and ":" in key:
        spec = key.removeprefix("function ")
        raise UnknownNameError(
            f"The key {spec!r} names a function: give the function itself, or --option key={spec} to a command."
        )
    raise unknown("key", str(key), get_args(KeyName))


def check_shown(key: ShownKey) -> None:
    """Check what an agent is to tell states apart by.

    Raises:
        UnknownNameError: it is neither "state" nor "observation".
    """
    if key not in get_args(ShownKey):
        raise unknown("key of an agent", str(key), get_args(ShownKey))


def measure_key(episodes: Sequence[Episode], key: Key) -> Recurrence:
    """Return how often states recur under a key; arguments and errors are those of :func:`labels`."""
    rows = labels(episodes, key)
    steps = [len(episode) for episode in episodes]
    owner = np.repeat(np.arange(len(episodes), dtype=np.int64), steps)
    state = _numbered(chain.from_iterable(row[:-1] for row in rows))
    again = visited_by_others(_numbered(episode.group_id for episode in episodes)[owner], state, owner)
    later = np.r_[False, owner[1:] == owner[:-1]][: owner.size]
    fresh = compact(owner, state)[1] / max(owner.size, 1)
    return Recurrence(key, _share(again), _share(again[later]), fresh)


def measure_keys(episodes: Sequence[Episode], keys: Iterable[Key] = KEYS) -> dict[Key, Recurrence]:
    """Return how often states recur under every key; one whose column is missing is left out."""
    found = {}
    for key in keys:
        with suppress(MissingColumnError):
            found[key] = measure_key(episodes, key)
    return found


def choose_key(episodes: Sequence[Episode]) -> Recurrence:
    """Return the key that ``auto`` stands for, and how often states recur under it.

    It is the first of :data:`TRIED` under which :data:`ENOUGH` of the steps after the first recur, and that is not
    blind: :data:`FRESH` of the steps must be the first visit to their state in their episode. A true state need not be
    fresh. If no key is enough, it is ``state``: there is next to nothing to pool.
    """
    true_states = any(episode.state_keys != episode.observations for episode in episodes)
    for key in TRIED if true_states else TRIED[1:]:
        for found in measure_keys(episodes, [key]).values():
            if found.later >= ENOUGH and (key == "state" or found.fresh >= FRESH):
                return found
    return measure_key(episodes, "state")


def _share(counted: BoolArray) -> float:
    return float(counted.mean()) if counted.size else 0.0


def _numbered(names: Iterable[str]) -> IntArray:
    numbers: dict[str, int] = {}
    return np.asarray([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)


def _chosen(episodes: Sequence[Episode]) -> _Rows:
    return labels(episodes, choose_key(episodes).key)


def _columns(name: str) -> Callable[[Sequence[Episode]], _Rows]:
    return lambda episodes: [getattr(episode, name) for episode in episodes]


def _each(of: Callable[[Episode], Sequence[str]]) -> Callable[[Sequence[Episode]], _Rows]:
    return lambda episodes: list(map(of, episodes))


def _normal(episodes: Sequence[Episode]) -> _Rows:
    table = {text: normal(text) for text in dict.fromkeys(chain.from_iterable(e.observations for e in episodes))}
    return [[table[text] for text in episode.observations] for episode in episodes]


def _similar(episodes: Sequence[Episode]) -> _Rows:
    rows = _normal(episodes)
    seen = dict.fromkeys((e.group_id, text) for e, row in zip(episodes, rows, strict=True) for text in row)
    texts = [text for _, text in seen]
    first = alike(texts, _numbered(name for name, _ in seen)).tolist()
    known = {point: texts[index] for point, index in zip(seen, first, strict=True)}
    return [[known[e.group_id, text] for text in row] for e, row in zip(episodes, rows, strict=True)]


def _beliefs(episodes: Sequence[Episode]) -> _Rows:
    """Bins of surprise at the truth; a point without a reading is its own state, as nothing says what it is like."""
    if episodes and all(episode.log_belief is None for episode in episodes):
        raise MissingColumnError(
            "The episodes have no column 'log_belief' for key='belief': record it with RecordBelief."
        )
    return [_surprises(episode) for episode in episodes]


def _surprises(episode: Episode) -> list[str]:
    unread = (math.nan,) * (len(episode) + 1)
    truth, others = episode.log_belief or unread, episode.distractor_log_belief or unread
    points = zip(truth, others, episode.state_keys, strict=True)
    return [f"unread\n{state}" if math.isnan(here) else f"{_bits(here)}{_bits(there)}" for here, there, state in points]


def _bits(log_belief: float) -> str:
    """The bin of a log-belief in nats; empty where there was no reading."""
    bins = max(-log_belief / math.log(2) / _BITS_A_BIN, 0.0)
    return "" if math.isnan(log_belief) else f"{round(bins) * _BITS_A_BIN if math.isfinite(bins) else bins:g} bits "


_LABELS: dict[str, Callable[[Sequence[Episode]], _Rows]] = {
    "state": _columns("state_keys"),
    "observation": _columns("observations"),
    "text": _normal,
    "similar": _similar,
    "call": _each(last_calls),
    "calls": _each(calls_so_far),
    "belief": _beliefs,
    "auto": _chosen,
}
