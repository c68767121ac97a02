"""What a scorer promises: a pure function of the batch, one finite credit a step, blind to what it does not declare."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from credit_gym.data.batch import COLUMN_NAMES, EpisodeBatch
from credit_gym.data.grouping import FloatArray, IntArray
from credit_gym.errors import MissingColumnError
from credit_gym.scorers import ScorerSpec, get

_IDS = ("state", "next_state", "action", "group", "task", "role")
_NAMES = np.array([5, 0, 7, 2, 9, 4, 12, 1], dtype=np.int64)  # new ids of the old ones 0 to 7


def check_scorer(
    scorer: str | ScorerSpec,
    batches: Iterable[EpisodeBatch] | None = None,
    *,
    order_matters: bool = False,
    **options: Any,
) -> None:
    """Check that a scorer keeps its promises on some batches.

    They are: one finite float64 a step; the same credits every time; the batch untouched and not handed back; nothing
    needed that it does not declare; the exact advantage not looked at unless declared; credits that move with their
    episodes, do not hang on what ids are called, and belong to the group (or the episode, by its scope) alone.

    Args:
        scorer: a registered name, or a spec.
        batches: legal batches that hold what the scorer needs; None takes :func:`sample_batches`.
        order_matters: the scorer draws at random by position, so that reordering episodes gives other credits.
        options: the scorer's keyword options.

    Raises:
        AssertionError: a promise is broken; the sentence says which.
    """
    spec = get(scorer) if isinstance(scorer, str) else scorer
    for full in sample_batches() if batches is None else batches:
        for batch in (full, _only(full, spec)):
            credit = _credit(spec, batch, options)
            _check_pure(spec, batch, credit, options)
            _check_names(spec, batch, credit, options)
            if not order_matters:
                _check_order(spec, batch, credit, options)
                _check_scope(spec, batch, credit, options)
        _check_truth_unread(spec, full, options)


def sample_batches() -> list[EpisodeBatch]:
    """Return batches with every column: none, empty, short and looping episodes, gaps in groups, missing readings."""
    shapes: tuple[tuple[Sequence[int], Sequence[int]], ...] = (
        ((), ()),
        ((0,), (3,)),
        ((1, 0, 4), (0, 0, 2)),
        ((4, 3, 0, 5, 2, 4, 1, 3), (0, 0, 0, 2, 2, 2, 2, 5)),
    )
    return [_sample(lengths, groups, seed) for seed, (lengths, groups) in enumerate(shapes)]


def _sample(lengths: Sequence[int], groups: Sequence[int], seed: int) -> EpisodeBatch:
    draw = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(np.asarray(lengths, dtype=np.int64))]).astype(np.int64)
    steps, episodes = int(offsets[-1]), len(lengths)
    tokens = np.concatenate([[0], np.cumsum(draw.integers(0, 3, steps))]).astype(np.int64)

    def nats(size: int) -> FloatArray:
        return -draw.exponential(size=size)

    def readings(size: int) -> FloatArray:
        return np.where(np.arange(size) % 5 == 3, np.nan, draw.uniform(-1.0, 1.0, size))

    names = ("policy_logprob", "reference_logprob", "policy_top_logprob", "policy_entropy", "policy_kl")
    signs = (1, 1, 1, -1, -1)
    token_columns: dict[str, Any] = {
        name: sign * nats(int(tokens[-1])) for name, sign in zip(names, signs, strict=True)
    }
    success = draw.random(episodes) < 0.5
    last = np.zeros(steps, dtype=np.bool_)
    last[offsets[1:][np.diff(offsets) > 0] - 1] = True
    owner = np.repeat(np.arange(episodes), np.diff(offsets))
    return EpisodeBatch(
        offsets=offsets,
        state=draw.integers(0, 4, steps),
        next_state=draw.integers(0, 4, steps),
        action=draw.integers(0, 3, steps),
        reward=np.where(last, success[owner].astype(np.float64), draw.choice([0.0, -0.1], steps)),
        group=np.asarray(groups, dtype=np.int64),
        task=np.asarray(groups, dtype=np.int64),
        success=success,
        terminated=success,
        truncated=~success,
        verifier=readings(steps),
        log_belief=nats(steps + episodes),
        distractor_log_belief=nats(steps + episodes),
        anchor_log_belief=nats(steps + episodes),
        invalid=draw.random(steps) < 0.2,
        value=draw.normal(size=steps + episodes),
        logprob_offsets=tokens,
        role=draw.integers(0, 2, steps),
        parent=draw.integers(-1, 3, steps),
        advantage=readings(steps),
        segment=draw.integers(-1, 2, steps),
        **token_columns,
    )


def _only(batch: EpisodeBatch, spec: ScorerSpec) -> EpisodeBatch:
    """The batch with the columns that a scorer declares, and none of the other optional ones."""
    optional = {field.name for field in fields(EpisodeBatch) if field.default is None} & COLUMN_NAMES
    kept = spec.needs | {"logprob_offsets"}
    left_out: dict[str, Any] = dict.fromkeys(sorted(optional - kept))
    return replace(batch, **left_out)


def _credit(spec: ScorerSpec, batch: EpisodeBatch, options: dict[str, Any]) -> FloatArray:
    try:
        credit = spec.function(batch, **options)
    except MissingColumnError as error:
        raise AssertionError(f"{spec.name} reads a column that it does not declare in needs: {error}") from error
    except Exception as error:
        raise AssertionError(f"{spec.name} raised {error!r} on a legal batch.") from error
    assert isinstance(credit, np.ndarray), f"{spec.name} must return an array, not {type(credit).__name__}."
    assert credit.shape == (batch.num_steps,), f"{spec.name} must return ({batch.num_steps},), not {credit.shape}."
    assert credit.dtype == np.float64, f"{spec.name} must return float64, not {credit.dtype}."
    assert np.isfinite(credit).all(), f"{spec.name} returned a credit that is no finite number."
    return credit


def _check_pure(spec: ScorerSpec, batch: EpisodeBatch, credit: FloatArray, options: dict[str, Any]) -> None:
    columns = {name: value for name, value in vars(batch).items() if isinstance(value, np.ndarray)}
    kept = {name: value.copy() for name, value in columns.items()}
    first = credit.copy()
    again = _credit(spec, batch, options)
    assert np.array_equal(first, again), f"{spec.name} gave other credits for the same batch."
    for name, value in kept.items():
        unchanged = np.array_equal(value, columns[name], equal_nan=value.dtype.kind == "f")
        assert unchanged, f"{spec.name} changed the batch's column {name!r}."
        assert not np.shares_memory(again, columns[name]), f"{spec.name} handed the batch's column {name!r} back."


def _check_names(spec: ScorerSpec, batch: EpisodeBatch, credit: FloatArray, options: dict[str, Any]) -> None:
    columns = {name: getattr(batch, name) for name in _IDS}
    renamed = {
        name: _NAMES[ids] for name, ids in columns.items() if ids is not None and ids.max(initial=0) < _NAMES.size
    }
    found = _credit(spec, replace(batch, **renamed), options)
    assert _close(batch, found, credit), (
        f"The credits of {spec.name} hang on what states, actions or groups are called."
    )


def _check_order(spec: ScorerSpec, batch: EpisodeBatch, credit: FloatArray, options: dict[str, Any]) -> None:
    order = np.arange(batch.num_episodes)[::-1]
    found = _credit(spec, batch.select(order), options)
    assert _close(batch, found, credit[_steps(batch, order)]), (
        f"{spec.name} gives other credits to episodes in another order."
    )


def _check_scope(spec: ScorerSpec, batch: EpisodeBatch, credit: FloatArray, options: dict[str, Any]) -> None:
    owners = {"episode": np.arange(batch.num_episodes), "group": batch.group, "batch": np.zeros_like(batch.group)}
    owner = owners[spec.scope]
    for one in np.unique(owner):
        episodes = np.flatnonzero(owner == one)
        alone = batch.select(episodes)
        try:
            for column in spec.needs:
                alone.require(column)
        except MissingColumnError:  # these episodes hold none of the batch's readings
            continue
        found = _credit(spec, alone, options)
        expected = credit[_steps(batch, episodes)]
        assert _close(batch, found, expected), f"{spec.name} credits one {spec.scope} by what happened in another."


def _check_truth_unread(spec: ScorerSpec, batch: EpisodeBatch, options: dict[str, Any]) -> None:
    if "advantage" in spec.needs or batch.advantage is None:
        return
    blind = _credit(spec, replace(batch, advantage=-2.0 * batch.advantage), options)
    assert np.array_equal(blind, _credit(spec, batch, options)), f"{spec.name} reads the exact advantage undeclared."


def _steps(batch: EpisodeBatch, episodes: IntArray) -> IntArray:
    parts = [np.arange(batch.offsets[e], batch.offsets[e + 1]) for e in episodes]
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])


def _close(batch: EpisodeBatch, found: FloatArray, expected: FloatArray) -> bool:
    """Equal up to rounding, which is relative to the largest reward."""
    scale = max(1.0, float(np.abs(batch.reward).max(initial=0.0)))
    return bool(np.allclose(found, expected, rtol=1e-6, atol=1e-7 * scale))
