"""A run scored in parts, from the store or from memory, is the run scored at once."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.episodes import episodes, walk
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.credit import run_parts
from credit_gym.credit.assign import build_targets
from credit_gym.credit.run_parts import in_parts, layout_of, part_numbers
from credit_gym.credit.stored_runs import run_credits, score_run
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.columns import COLUMNS
from credit_gym.data.episode import Episode
from credit_gym.store import Store


def same(one: EpisodeBatch, other: EpisodeBatch) -> bool:
    """Whether two batches are equal, column by column and word by word."""
    pairs = [(getattr(one, f.name), getattr(other, f.name)) for f in fields(EpisodeBatch)]
    return all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f") and a.dtype == b.dtype
        if isinstance(a, np.ndarray)
        else a == b
        for a, b in pairs
    )


def played(groups: list[int], seed: int = 0) -> list[Episode]:
    """Walks of some groups, of 1 to 5 steps that differ in what they did and earned; every seventh failed."""
    draw = np.random.default_rng(seed)
    found = []
    for number, group in enumerate(groups):
        steps = int(draw.integers(1, 6))
        actions = tuple(f"go {draw.integers(3)}" for _ in range(steps))
        keys = tuple(f"s{draw.integers(4)}" for _ in range(steps + 1))
        reward = float(draw.integers(2))
        changes: dict[str, Any] = {"verifier": tuple(draw.normal(size=steps).tolist())} if number % 3 else {}
        found.append(
            walk(
                f"7-{number}", steps=steps, group_id=f"g{group}", task_id=f"t{group}", actions=actions, state_keys=keys,
                rewards=(0.0,) * (steps - 1) + (reward,), success=reward > 0.0,
                error="timeout" if number % 7 == 6 else None, **changes,
            )
        )  # fmt: skip
    return found


many_groups = st.lists(st.integers(0, 5), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(groups=many_groups, most=st.integers(1, 40))
def test_parts_hold_every_completed_episode_once_and_each_group_whole(groups: list[int], most: int) -> None:
    run = played(groups)
    layout = layout_of(run)
    found = part_numbers(layout, most)
    assert sorted(np.concatenate(found).tolist()) == np.flatnonzero(layout.completed).tolist()
    where = [{run[i].group_id for i in numbers.tolist()} for numbers in found]
    assert sum(map(len, where)) == len(set().union(*where))
    for numbers, names in zip(found, where, strict=True):
        assert layout.steps[numbers].sum() <= most or len(names) == 1


@settings(max_examples=60, deadline=None)
@given(groups=many_groups, most=st.integers(1, 40))
def test_the_batch_of_all_parts_is_the_batch_of_the_run(groups: list[int], most: int) -> None:
    run = played(sorted(groups))
    completed = [episode for episode in run if episode.error is None]
    (part,) = in_parts(run, "state", whole=True, most=most)
    assert same(part.batch, EpisodeBatch.from_episodes(completed))
    assert part.ids == [episode.episode_id for episode in completed]


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(run=st.lists(episodes(max_steps=3), min_size=2, max_size=6))
def test_columns_that_come_and_go_join_as_they_do_in_one_batch(run: list[Episode]) -> None:
    bare: dict[str, Any] = dict.fromkeys(c.name for c in COLUMNS if c.kind == "token" and c.batch)
    run = [replace(e, episode_id=str(i), group_id=f"g{i}", error=None, **bare) for i, e in enumerate(run)]
    (part,) = in_parts(run, "state", whole=True, most=1)
    assert same(part.batch, EpisodeBatch.from_episodes(run))


@pytest.mark.parametrize("scorer", ["outcome_only", "grpo", "gigpo", "adaptive_q", "evidence_lambda"])
@pytest.mark.parametrize("order", [sorted, list], ids=["one after the other", "in turn"])
def test_credits_of_parts_are_credits_of_the_whole(
    scorer: str, order: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = played(order([0, 1, 2, 3, 4, 5] * 6), seed=3)
    expected = {(t.episode_id, t.step): t.credit for t in build_targets(run, scorer)}
    monkeypatch.setattr(run_parts, "PART", 20)
    with Store.open(tmp_path) as store:
        run_id = store.start_run(env_id="credit/Test-v0", agent_id="random", seed=7)
        store.add_episodes(run_id, run[::-1])
        score_run(store, run_id, store.episodes(run_id), scorer, {})
        kept = store.load_credits(run_id, scorer)
        rows = run_credits(store, run_id, store.episodes(run_id), scorer, {})
        assert rows == run_credits(store, run_id, run, scorer, {})
    for episode, row in zip(run, rows, strict=True):
        if episode.error is not None:
            assert row is None
            continue
        assert row == kept[episode.episode_id]
        assert row == pytest.approx([expected[episode.episode_id, t] for t in range(len(episode))], abs=1e-12)


def test_stored_episodes_are_a_sequence_of_what_was_there_when_they_were_asked_for(tmp_path: Path) -> None:
    run = played([0] * 700)
    with Store.open(tmp_path) as store:
        run_id = store.start_run(env_id="credit/Test-v0", agent_id="random", seed=7)
        store.add_episodes(run_id, run)
        stored = store.episodes(run_id)
        store.add_episode(run_id, walk("7-700"))
        assert (len(stored), list(stored)) == (700, run)
        assert (stored[3], stored[-1], list(stored[5:9])) == (run[3], run[-1], run[5:9])
        assert list(stored.select(np.array([600, 2, 300]))) == [run[600], run[2], run[300]]


def test_a_long_run_is_judged_by_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    run = played([number // 4 for number in range(40)], seed=5)
    assert run_parts.beginning(run) == run
    monkeypatch.setattr(run_parts, "PART", 30)
    first = run_parts.beginning(run)
    assert first == run[: len(first)]
    assert 4 <= len(first) < 40
    assert any(episode.error for episode in first)
