"""Many episodes as the flat columns that scorers read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from credit_gym.data.grouping import BoolArray, FloatArray, IntArray, group_sum
from credit_gym.errors import BatchError, MissingColumnError

if TYPE_CHECKING:
    from credit_gym.data.episode import Episode

Key = Literal["state", "observation"]

_RECORDED_BY = {
    "verifier": "RecordVerifier",
    "log_belief": "RecordBelief",
    "distractor_log_belief": "RecordBelief with distractors",
    "anchor_log_belief": "RecordBelief with an anchor model",
    "policy_entropy": "the log-prob engine",
    "policy_kl": "the log-prob engine with a reference model",
    "policy_top_logprob": "the log-prob engine",
    "value": "an agent with a critic",
    "policy_logprob": "an agent that returns log-probabilities",
    "reference_logprob": "the log-prob engine with a reference model",
    "role": "a multi-agent environment",
    "parent": "ReplayTree",
    "advantage": "credit_gym.exact.oracle.annotate",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class EpisodeBatch:
    """E episodes and their S steps as flat, read-only numpy columns; the only thing a scorer sees.

    Episode e owns steps ``offsets[e]:offsets[e+1]``; columns of length S+E hold one value per step and one more after
    the last step of each episode (episode e owns ``offsets[e]+e : offsets[e+1]+e+1``).

    Attributes:
        offsets: (E+1,) int64.
        state: (S,) int64 interned state key before the step.
        next_state: (S,) int64 interned state key after the step.
        action: (S,) int64 interned action.
        reward: (S,) float64, finite.
        group: (E,) int64 group of each episode; ids may have gaps.
        task: (E,) int64 task of each episode.
        success: (E,) bool.
        terminated: (E,) bool.
        truncated: (E,) bool.
        verifier: (S,) float64, NaN where not recorded; None if nowhere.
        log_belief: (S+E,) float64, nats, NaN where not recorded; None if nowhere.
        distractor_log_belief: (S+E,) float64, logarithm of the summed belief in wrong answers.
        anchor_log_belief: (S+E,) float64, the log-belief of a slowly following copy of the agent.
        invalid: (S,) bool, steps that the environment refused; None if nobody said.
        value: (S+E,) float64 critic values; None if there is no critic.
        policy_logprob: (L,) float32 log-probabilities of action tokens, step i owns
            ``logprob_offsets[i]:logprob_offsets[i+1]``.
        reference_logprob: (L,) float32, the same tokens under the reference model.
        policy_entropy: (L,) float32 entropy of the policy at those tokens, nats.
        policy_kl: (L,) float32 KL(policy || reference) at those tokens, nats.
        policy_top_logprob: (L,) float32 mean of the policy's largest log-probabilities at those tokens.
        logprob_offsets: (S+1,) int64.
        role: (S,) int64 interned role; None if single-agent.
        parent: (S,) int64 parent node in a replay tree, -1 at a root; None if no tree.
        advantage: (S,) float64 exact advantage, NaN where unknown; filled only by ``credit_gym.exact.oracle.annotate``.
        state_vocabulary, action_vocabulary, task_vocabulary, group_vocabulary, role_vocabulary: text of each id;
            empty where a batch was made from ids alone.
    """

    offsets: IntArray
    state: IntArray
    next_state: IntArray
    action: IntArray
    reward: FloatArray
    group: IntArray
    task: IntArray
    success: BoolArray
    terminated: BoolArray
    truncated: BoolArray
    verifier: FloatArray | None = None
    log_belief: FloatArray | None = None
    distractor_log_belief: FloatArray | None = None
    anchor_log_belief: FloatArray | None = None
    invalid: BoolArray | None = None
    value: FloatArray | None = None
    policy_logprob: np.ndarray[Any, np.dtype[np.float32]] | None = None
    reference_logprob: np.ndarray[Any, np.dtype[np.float32]] | None = None
    policy_entropy: np.ndarray[Any, np.dtype[np.float32]] | None = None
    policy_kl: np.ndarray[Any, np.dtype[np.float32]] | None = None
    policy_top_logprob: np.ndarray[Any, np.dtype[np.float32]] | None = None
    logprob_offsets: IntArray | None = None
    role: IntArray | None = None
    parent: IntArray | None = None
    advantage: FloatArray | None = None
    state_vocabulary: tuple[str, ...] = ()
    action_vocabulary: tuple[str, ...] = ()
    task_vocabulary: tuple[str, ...] = ()
    group_vocabulary: tuple[str, ...] = ()
    role_vocabulary: tuple[str, ...] = ()

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
        if column is None or (column.size and column.dtype.kind == "f" and bool(np.isnan(column).all())):
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
        for names, index in ((_STEP_COLUMNS, steps), (_POINT_COLUMNS, points), (_EPISODE_COLUMNS, chosen)):
            for name in names:
                column = getattr(self, name)
                changes[name] = None if column is None else column[index]
        if self.logprob_offsets is not None:
            widths = np.diff(self.logprob_offsets)[steps]
            token_offsets = np.concatenate([[0], np.cumsum(widths)])
            tokens = np.repeat(self.logprob_offsets[steps] - token_offsets[:-1], widths) + np.arange(token_offsets[-1])
            changes["logprob_offsets"] = token_offsets
            for name in _TOKEN_COLUMNS:
                column = getattr(self, name)
                changes[name] = None if column is None else column[tokens]
        return replace(self, **changes)

    @classmethod
    def from_episodes(cls, episodes: Iterable[Episode], *, key: Key = "state") -> EpisodeBatch:
        """Intern the columns of recorded episodes.

        Args:
            episodes: completed episodes; those with an ``error`` are data too and are the caller's to leave out.
            key: what a state is pooled by: the hash of the true state, or the text that the agent saw.

        Returns:
            A batch whose optional columns are present when at least one episode recorded them.
        """
        return _from_episodes(list(episodes), key)


_STEP_COLUMNS = ("state", "next_state", "action", "reward", "verifier", "role", "parent", "advantage", "invalid")
_POINT_COLUMNS = ("log_belief", "distractor_log_belief", "anchor_log_belief", "value")
_EPISODE_COLUMNS = ("group", "task", "success", "terminated", "truncated")
_TOKEN_COLUMNS = ("policy_logprob", "reference_logprob", "policy_entropy", "policy_kl", "policy_top_logprob")
_ID_COLUMNS = ("state", "next_state", "action", "group", "task", "role")
_DTYPES: dict[str, type[np.generic]] = {
    "offsets": np.int64,
    **dict.fromkeys(_STEP_COLUMNS, np.float64),
    **dict.fromkeys(_POINT_COLUMNS, np.float64),
    **dict.fromkeys((*_ID_COLUMNS, "parent", "logprob_offsets"), np.int64),
    **dict.fromkeys(("success", "terminated", "truncated", "invalid"), np.bool_),
    **dict.fromkeys(_TOKEN_COLUMNS, np.float32),
}


def _validate(batch: EpisodeBatch) -> None:
    offsets = batch.offsets
    if offsets.ndim != 1 or offsets.size < 1 or offsets[0] != 0 or bool((np.diff(offsets) < 0).any()):
        raise BatchError("offsets must be a 1-D array that starts at 0 and never decreases.")
    steps, episodes = int(offsets[-1]), int(offsets.size - 1)
    sizes = {
        **dict.fromkeys(_STEP_COLUMNS, steps),
        **dict.fromkeys(_POINT_COLUMNS, steps + episodes),
        **dict.fromkeys(_EPISODE_COLUMNS, episodes),
    }
    for name, size in sizes.items():
        column = getattr(batch, name)
        if column is not None and column.shape != (size,):
            raise BatchError(f"Column {name!r} has shape {column.shape}; offsets ask for ({size},).")
    for name in _ID_COLUMNS:
        column = getattr(batch, name)
        if column is not None and column.size and int(column.min()) < 0:
            raise BatchError(f"Column {name!r} holds a negative id.")
    if not np.isfinite(batch.reward).all():
        bad = int(np.flatnonzero(~np.isfinite(batch.reward))[0])
        raise BatchError(f"Column 'reward' is not finite at step {bad}: a reward must be a number.")
    for name in ("verifier", *_POINT_COLUMNS, "advantage"):
        column = getattr(batch, name)
        if column is not None and bool(np.isinf(column).any()):
            raise BatchError(f"Column {name!r} is infinite somewhere; use NaN where it was not recorded.")
    if bool((batch.terminated & batch.truncated).any()):
        raise BatchError("An episode is both terminated and truncated; keep only what happened first.")
    widths = batch.logprob_offsets
    for name in _TOKEN_COLUMNS:
        column = getattr(batch, name)
        if column is not None and (widths is None or widths.shape != (steps + 1,) or int(widths[-1]) != column.size):
            raise BatchError(f"Column {name!r} needs logprob_offsets of shape ({steps + 1},) that end at its size.")


def _intern(texts: Iterable[str]) -> tuple[IntArray, tuple[str, ...]]:
    texts = list(texts)
    vocabulary = tuple(dict.fromkeys(texts))
    table = dict(zip(vocabulary, range(len(vocabulary)), strict=True))
    return np.fromiter(map(table.__getitem__, texts), dtype=np.int64, count=len(texts)), vocabulary


def _optional(
    episodes: list[Episode], read: Callable[[Episode], Sequence[float] | None], extra: int
) -> FloatArray | None:
    columns = [read(episode) for episode in episodes]
    if all(column is None for column in columns):
        return None
    filled = [
        column if column is not None else (float("nan"),) * (len(episode) + extra)
        for column, episode in zip(columns, episodes, strict=True)
    ]
    return np.asarray(list(chain.from_iterable(filled)), dtype=np.float64)


def _from_episodes(episodes: list[Episode], key: Key) -> EpisodeBatch:
    offsets = np.concatenate([[0], np.cumsum([len(e) for e in episodes])]).astype(np.int64)
    keys = [e.state_keys if key == "state" else e.observations for e in episodes]
    interned, state_vocabulary = _intern(chain.from_iterable(keys))
    after = np.ones(interned.size, dtype=np.bool_)  # points that follow a step
    before = np.ones(interned.size, dtype=np.bool_)  # points that precede a step
    after[offsets[:-1] + np.arange(len(episodes))] = False
    before[offsets[1:] + np.arange(len(episodes))] = False
    action, action_vocabulary = _intern(chain.from_iterable(e.actions for e in episodes))
    task, task_vocabulary = _intern(e.task_id for e in episodes)
    group, group_vocabulary = _intern(e.group_id for e in episodes)
    has_roles = any(e.roles is not None for e in episodes)
    role, role_vocabulary = _intern(r for e in episodes for r in e.roles or ("",) * len(e)) if has_roles else (None, ())
    has_parents = any(e.parents is not None for e in episodes)
    parents = [p for e in episodes for p in e.parents or (-1,) * len(e)] if has_parents else None
    return EpisodeBatch(
        offsets=offsets,
        state=interned[before],
        next_state=interned[after],
        action=action,
        reward=np.asarray(list(chain.from_iterable(e.rewards for e in episodes)), dtype=np.float64),
        group=group,
        task=task,
        success=np.asarray([e.success for e in episodes], dtype=np.bool_),
        terminated=np.asarray([e.terminated for e in episodes], dtype=np.bool_),
        truncated=np.asarray([e.truncated for e in episodes], dtype=np.bool_),
        verifier=_optional(episodes, lambda e: e.verifier, 0),
        log_belief=_optional(episodes, lambda e: e.log_belief, 1),
        distractor_log_belief=_optional(episodes, lambda e: e.distractor_log_belief, 1),
        anchor_log_belief=_optional(episodes, lambda e: e.anchor_log_belief, 1),
        invalid=_invalid(episodes),
        value=_optional(episodes, lambda e: e.values, 1),
        advantage=_optional(episodes, lambda e: e.advantages, 0),
        role=role,
        parent=None if parents is None else np.asarray(parents, dtype=np.int64),
        state_vocabulary=state_vocabulary,
        action_vocabulary=action_vocabulary,
        task_vocabulary=task_vocabulary,
        group_vocabulary=group_vocabulary,
        role_vocabulary=role_vocabulary,
        **_token_columns(episodes),
    )


def _invalid(episodes: list[Episode]) -> BoolArray | None:
    if all(episode.invalid is None for episode in episodes):
        return None
    columns = (episode.invalid or (False,) * len(episode) for episode in episodes)
    return np.fromiter(chain.from_iterable(columns), dtype=np.bool_)


def _token_columns(episodes: list[Episode]) -> dict[str, Any]:
    """Ragged log-probabilities; a step without them has no tokens."""
    names = {
        "policy_logprob": "policy_logprobs",
        "reference_logprob": "reference_logprobs",
        "policy_entropy": "policy_entropies",
        "policy_kl": "policy_kls",
        "policy_top_logprob": "policy_top_logprobs",
    }
    present = {
        column: source for column, source in names.items() if any(getattr(e, source) is not None for e in episodes)
    }
    if not present:
        return {}
    rows = {
        column: [row for e in episodes for row in getattr(e, source) or ((),) * len(e)]
        for column, source in present.items()
    }
    widths = [len(row) for row in next(iter(rows.values()))]
    for column, ragged in rows.items():
        if [len(row) for row in ragged] != widths:
            raise BatchError(f"Column {column!r} does not have the same tokens as the policy's log-probabilities.")
    columns: dict[str, Any] = {
        column: np.asarray([value for row in ragged for value in row], dtype=np.float32)
        for column, ragged in rows.items()
    }
    return {"logprob_offsets": np.concatenate([[0], np.cumsum(widths)]).astype(np.int64), **columns}


COLUMN_NAMES = frozenset(f.name for f in fields(EpisodeBatch))
