"""Batches for tests: `batch_of` writes one down by hand, `batches` draws any legal one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from credit_gym.data.batch import EpisodeBatch

NAN = float("nan")
OPTIONAL = (
    "verifier",
    "exact_verifier",
    "log_belief",
    "distractor_log_belief",
    "anchor_log_belief",
    "invalid",
    "value",
    "policy_logprob",
    "reference_logprob",
    "policy_entropy",
    "policy_kl",
    "policy_top_logprob",
    "role",
    "parent",
    "segment",
    "advantage",
)


@dataclass(frozen=True)
class Run:
    """One hand-written episode: the T+1 states it passed through and the T actions between them.

    Without `rewards` the last step earns 1 if the run succeeded and every other step 0.
    """

    path: Sequence[int]
    actions: Sequence[int]
    success: bool = True
    truncated: bool = False
    terminated: bool | None = None  # None: whenever it was not truncated
    group: int = 0
    rewards: Sequence[float] | None = None

    def __post_init__(self) -> None:
        assert len(self.path) == len(self.actions) + 1

    @property
    def reward_column(self) -> list[float]:
        if self.rewards is not None:
            return list(self.rewards)
        return [float(self.success and t == len(self.actions) - 1) for t in range(len(self.actions))]


def batch_of(runs: Sequence[Run], **columns: Sequence[float] | np.ndarray | None) -> EpisodeBatch:
    """The batch of some runs; `columns` are optional flat columns such as `verifier`. One task per group."""
    ended = [not r.truncated if r.terminated is None else r.terminated for r in runs]
    return EpisodeBatch(
        offsets=np.cumsum([0, *(len(r.actions) for r in runs)], dtype=np.int64),
        state=_ints(s for r in runs for s in r.path[:-1]),
        next_state=_ints(s for r in runs for s in r.path[1:]),
        action=_ints(a for r in runs for a in r.actions),
        reward=np.array([x for r in runs for x in r.reward_column], dtype=np.float64),
        group=_ints(r.group for r in runs),
        task=_ints(r.group for r in runs),
        success=np.array([r.success for r in runs], dtype=np.bool_),
        terminated=np.array(ended, dtype=np.bool_),
        truncated=np.array([r.truncated for r in runs], dtype=np.bool_),
        **{name: None if column is None else np.asarray(column) for name, column in columns.items()},
    )


@st.composite
def batches(
    draw: st.DrawFn, *, require: Collection[str] = (), max_episodes: int = 5, max_steps: int = 4
) -> EpisodeBatch:
    """Any legal batch: no episodes at all, zero-length and truncated ones, group gaps, cycles, NaN readings.

    Args:
        draw: given by hypothesis.
        require: optional columns that must be present and hold at least one reading; the others come and go.
        max_episodes: most episodes.
        max_steps: most steps of one episode.
    """
    lengths = draw(_listed(st.integers(0, max_steps), draw(st.sampled_from(range(max_episodes + 1)))))
    runs = [draw(_runs(length)) for length in lengths]
    steps, points = sum(lengths), sum(lengths) + len(lengths)
    contents = {
        "verifier": _readings(steps, -1.0, 1.0),
        "exact_verifier": _listed(st.booleans(), len(lengths)),
        "log_belief": _readings(points, -20.0, 0.0),
        "distractor_log_belief": _readings(points, -20.0, 0.0),
        "anchor_log_belief": _readings(points, -20.0, 0.0),
        "invalid": _listed(st.booleans(), steps),
        "value": _readings(points, -2.0, 2.0),
        "advantage": _readings(steps, -1.0, 1.0),
        "role": _listed(st.integers(0, 2), steps),
        "parent": _listed(st.integers(-1, steps - 1), steps),
        "segment": _listed(st.integers(-1, 2), steps),
    }
    present = draw(st.sampled_from(_SOMETIMES)) | set(require)
    columns = {name: draw(content) for name, content in contents.items() if name in present}
    tokens = sorted(present - contents.keys())
    if tokens:
        widths = draw(_listed(st.integers(0, 2), steps))
        if widths and not any(widths):
            widths[0] = 1
        columns["logprob_offsets"] = np.cumsum([0, *widths])
        for name in tokens:
            columns[name] = draw(_listed(st.sampled_from((-9.5, -1.25, -0.0625, 0.0)), sum(widths)))
    return batch_of(runs, **columns)


_SOMETIMES = (
    set(),
    {"verifier"},
    {"verifier", "exact_verifier"},
    {"value", "parent", "segment"},
    {"advantage", "role"},
    {"log_belief", "invalid"},
    set(OPTIONAL),
)
_ENDINGS = (  # success, terminated, truncated
    (True, True, False),
    (False, True, False),
    (False, False, True),
    (True, False, True),
    (False, False, False),
)


@st.composite
def _runs(draw: st.DrawFn, length: int) -> Run:
    success, terminated, truncated = draw(st.sampled_from(_ENDINGS))
    rewards = draw(st.sampled_from((None, (-2.0, -0.3, 0.0, 0.1, 1.0), (-1e6, 0.0, 1e6))))
    return Run(
        path=draw(_listed(st.sampled_from((0, 1, 2, 4, 7)), length + 1)),
        actions=draw(_listed(st.integers(0, 3), length)),
        success=success,
        truncated=truncated,
        terminated=terminated,
        group=draw(st.sampled_from((0, 2, 5))),
        rewards=None if rewards is None else draw(_listed(st.sampled_from(rewards), length)),
    )


@st.composite
def _readings(draw: st.DrawFn, size: int, low: float, high: float) -> list[float]:
    """Readings in a range, some of them NaN but never all."""
    column = draw(_listed(st.sampled_from((low, 0.0, high / 7, low / 3, high, NAN)), size))
    if column and all(np.isnan(column)):
        column[0] = low
    return column


def _listed(elements: st.SearchStrategy, size: int) -> st.SearchStrategy[list]:
    return st.lists(elements, min_size=size, max_size=size)


def _ints(values: Iterable[int]) -> np.ndarray:
    return np.array(list(values), dtype=np.int64)
