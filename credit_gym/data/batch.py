"""Many episodes as the flat columns that scorers read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import MISSING, dataclass, field, fields, make_dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from credit_gym.data.columns import COLUMNS
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import BoolArray, FloatArray, IntArray, group_sum
from credit_gym.data.interning import DTYPES, StoredColumns, interned
from credit_gym.data.keys import Key
from credit_gym.errors import BatchError, MissingColumnError, ReadingError

_SEEN = {column.batch: column for column in COLUMNS if column.batch}
_RECORDED_BY = {name: column.recorded_by for name, column in _SEEN.items()}
_KINDS: dict[str, Literal["episode", "step", "point", "token"]] = {
    **{name: column.kind for name, column in _SEEN.items()},
    "state": "step",  # the points before and after each step are two columns of steps
    "next_state": "step",
}
_TOKEN_COLUMNS = tuple(name for name, kind in _KINDS.items() if kind == "token")
_ID_COLUMNS = ("next_state", *(name for name, column in _SEEN.items() if column.type == "text"))
_SIGNALS = tuple(
    name for name, c in _SEEN.items() if c.type == "number" and c.kind in ("step", "point") and not c.required
)
_DTYPES: dict[str, type[np.generic]] = {
    **dict.fromkeys(("offsets", "next_state", "logprob_offsets"), np.int64),
    **{name: np.float32 if column.kind == "token" else DTYPES[column.type] for name, column in _SEEN.items()},
}

if TYPE_CHECKING:
    _TokenArray = np.ndarray[Any, np.dtype[np.float32]]

    @dataclass(frozen=True, kw_only=True, eq=False)
    class _Columns:
        """The table's columns as editors and type checkers see them; a test holds the two equal."""

        offsets: IntArray
        next_state: IntArray
        task: IntArray
        group: IntArray
        success: BoolArray
        terminated: BoolArray
        truncated: BoolArray
        state: IntArray
        action: IntArray
        reward: FloatArray
        exact_verifier: BoolArray | None = None
        verifier: FloatArray | None = None
        advantage: FloatArray | None = None
        role: IntArray | None = None
        policy_logprob: _TokenArray | None = None
        invalid: BoolArray | None = None
        parent: IntArray | None = None
        segment: IntArray | None = None
        log_belief: FloatArray | None = None
        distractor_log_belief: FloatArray | None = None
        anchor_log_belief: FloatArray | None = None
        value: FloatArray | None = None
        reference_logprob: _TokenArray | None = None
        policy_entropy: _TokenArray | None = None
        policy_kl: _TokenArray | None = None
        policy_top_logprob: _TokenArray | None = None
        logprob_offsets: IntArray | None = None
        task_vocabulary: tuple[str, ...] = ()
        group_vocabulary: tuple[str, ...] = ()
        state_vocabulary: tuple[str, ...] = ()
        action_vocabulary: tuple[str, ...] = ()
        role_vocabulary: tuple[str, ...] = ()

else:
    _Columns = make_dataclass(
        "_Columns",
        [
            ("offsets", Any),
            ("next_state", Any),
            *((name, Any, field(default=MISSING if column.required else None)) for name, column in _SEEN.items()),
            ("logprob_offsets", Any, field(default=None)),
            *((f"{name}_vocabulary", Any, field(default=())) for name in _ID_COLUMNS[1:]),
        ],
        frozen=True,
        kw_only=True,
        eq=False,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class EpisodeBatch(_Columns):
    """E episodes and their S steps as flat, read-only numpy columns; the only thing a scorer sees.

    Episode e owns steps ``offsets[e]:offsets[e+1]``; columns of length S+E hold one value per step and one more after
    the last step of each episode (episode e owns ``offsets[e]+e : offsets[e+1]+e+1``). Beside the columns of
    :data:`credit_gym.data.columns.COLUMNS` that have a name in a batch (texts as int64 ids, numbers as float64, NaN
    where not recorded, flags as bool; a value a token as float32; None where no episode recorded the column) there are:

    Attributes:
        offsets: (E+1,) int64.
        next_state: (S,) int64 interned state key after the step; ``state`` is the one before it.
        logprob_offsets: (S+1,) int64; step i owns the tokens ``logprob_offsets[i]:logprob_offsets[i+1]``.
        state_vocabulary, action_vocabulary, task_vocabulary, group_vocabulary, role_vocabulary: text of each id;
            empty where a batch was made from ids alone. Ids of groups may have gaps.
    """

    def __post_init__(self) -> None:
        for name, dtype in _DTYPES.items():
            value = getattr(self, name)
            if value is not None:
                array = np.asarray(value)
                if dtype is np.int64 and array.size and not np.issubdtype(array.dtype, np.integer):
                    raise BatchError(f"Column {name!r} must hold integers, not {array.dtype}.")
                array = array.astype(dtype, copy=False).view()
                array.flags.writeable = False
                object.__setattr__(self, name, array)
        _validate(self)

    @property
    def num_episodes(self) -> int:
        """E."""
        return int(self.offsets.size - 1)

    @property
    def num_steps(self) -> int:
        """S."""
        return int(self.state.size)

    @cached_property
    def lengths(self) -> IntArray:
        """(E,) number of steps of each episode."""
        return np.diff(self.offsets)

    @cached_property
    def episode(self) -> IntArray:
        """(S,) episode of each step."""
        return np.repeat(np.arange(self.num_episodes, dtype=np.int64), self.lengths)

    @cached_property
    def step(self) -> IntArray:
        """(S,) index of each step within its episode, from 0."""
        return np.arange(self.num_steps, dtype=np.int64) - np.repeat(self.offsets[:-1], self.lengths)

    @cached_property
    def is_last(self) -> BoolArray:
        """(S,) whether a step is the last of its episode."""
        last = np.zeros(self.num_steps, dtype=np.bool_)
        last[self.offsets[1:][self.lengths > 0] - 1] = True
        return last

    @cached_property
    def step_group(self) -> IntArray:
        """(S,) group of each step."""
        return self.group[self.episode]

    @cached_property
    def num_groups(self) -> int:
        """One more than the largest group id (ids may have gaps)."""
        return int(self.group.max()) + 1 if self.group.size else 0

    @cached_property
    def episode_return(self) -> FloatArray:
        """(E,) undiscounted sum of rewards."""
        return group_sum(self.reward, self.episode, self.num_episodes)

    def require(self, name: str) -> Any:
        """Return an optional column, or raise :class:`MissingColumnError` naming the column and who records it."""
        column = getattr(self, name)
        unread = name in _TOKEN_COLUMNS and column is not None and not column.size and self.num_steps
        if column is None or unread or (column.size and column.dtype.kind == "f" and bool(np.isnan(column).all())):
            raise MissingColumnError(
                f"The batch has no column {name!r}: record it with {_RECORDED_BY.get(name, 'the environment')}."
            )
        return column

    def select(self, episodes: IntArray | Sequence[int]) -> EpisodeBatch:
        """Return the batch of the given episodes, in that order (repeats allowed)."""
        chosen = np.asarray(episodes, dtype=np.int64)
        lengths = self.lengths[chosen]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        steps = np.repeat(self.offsets[chosen] - offsets[:-1], lengths) + np.arange(offsets[-1])
        points = np.repeat(
            self.offsets[chosen] + chosen - offsets[:-1] - np.arange(chosen.size), lengths + 1
        ) + np.arange(offsets[-1] + chosen.size)
        changes: dict[str, Any] = {"offsets": offsets}
        index = {"step": steps, "point": points, "episode": chosen}
        for name, kind in _KINDS.items():
            if kind != "token" and (column := getattr(self, name)) is not None:
                changes[name] = column[index[kind]]
        if self.logprob_offsets is not None:
            widths = np.diff(self.logprob_offsets)[steps]
            token_offsets = np.concatenate([[0], np.cumsum(widths)])
            tokens = np.repeat(self.logprob_offsets[steps] - token_offsets[:-1], widths) + np.arange(token_offsets[-1])
            changes["logprob_offsets"] = token_offsets
            for name in _TOKEN_COLUMNS:
                if (column := getattr(self, name)) is not None:
                    changes[name] = column[tokens]
        return replace(self, **changes)

    @classmethod
    def from_episodes(cls, episodes: Iterable[Episode], *, key: Key = "state") -> EpisodeBatch:
        """Intern the columns of recorded episodes.

        Args:
            episodes: completed episodes; those with an ``error`` are data too and are the caller's to leave out.
            key: what a state is pooled by: the name of a key, or a function from an episode to one label a point
                (:mod:`credit_gym.data.keys`).

        Returns:
            A batch whose optional columns are present when at least one episode recorded them.

        Raises:
            UnknownNameError: there is no such key.
            MissingColumnError: no episode has the column that the key reads.
            ReadingError: a number cannot be computed with; the sentence names its step and its episode.
        """
        listed: Sequence[Episode] = episodes if isinstance(episodes, StoredColumns) else list(episodes)
        try:
            return cls(**interned(listed, key))
        except ReadingError as error:
            raise error.named(listed[error.episode].episode_id) from None


def _validate(batch: EpisodeBatch) -> None:
    offsets = batch.offsets
    if offsets.ndim != 1 or offsets.size < 1 or offsets[0] != 0 or bool((np.diff(offsets) < 0).any()):
        raise BatchError("offsets must be a 1-D array that starts at 0 and never decreases.")
    steps, episodes = int(offsets[-1]), int(offsets.size - 1)
    sizes = {"step": steps, "point": steps + episodes, "episode": episodes}
    for name, kind in _KINDS.items():
        column, size = getattr(batch, name), sizes.get(kind)
        if column is not None and size is not None and column.shape != (size,):
            raise BatchError(f"Column {name!r} has shape {column.shape}; offsets ask for ({size},).")
    for name in _ID_COLUMNS:
        column = getattr(batch, name)
        if column is not None and column.size and int(column.min()) < 0:
            raise BatchError(f"Column {name!r} holds a negative id.")
    _refuse(batch, "reward", ~np.isfinite(batch.reward), "a finite number")
    for name in _SIGNALS:
        column = getattr(batch, name)
        endless = np.isposinf if _SEEN[name].unit == "nats" else np.isinf  # the logarithm of 0 is a reading
        if column is not None:
            _refuse(batch, name, endless(column), "a finite number, or NaN where it was not recorded")
    if bool((batch.terminated & batch.truncated).any()):
        raise BatchError("An episode is both terminated and truncated; keep only what happened first.")
    widths = batch.logprob_offsets
    for name in _TOKEN_COLUMNS:
        column = getattr(batch, name)
        if column is not None and (widths is None or widths.shape != (steps + 1,) or int(widths[-1]) != column.size):
            raise BatchError(f"Column {name!r} needs logprob_offsets of shape ({steps + 1},) that end at its size.")


def _refuse(batch: EpisodeBatch, name: str, wrong: BoolArray, wanted: str) -> None:
    """Name the first place of a column of steps or points that is wrong."""
    if not wrong.any():
        return
    index = int(np.flatnonzero(wrong)[0])
    firsts = batch.offsets + (np.arange(batch.offsets.size) if _KINDS[name] == "point" else 0)
    episode = int(np.searchsorted(firsts, index, side="right")) - 1
    problem = (
        f"Column {name!r} at {{where}} is {getattr(batch, name)[index]}: it must be {wanted}; leave the episode out."
    )
    raise ReadingError(problem, episode=episode, step=index - int(firsts[episode]))


COLUMN_NAMES = frozenset(f.name for f in fields(EpisodeBatch))
