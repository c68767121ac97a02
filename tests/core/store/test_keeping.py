"""What cannot be stored costs its episode; what the disk refuses is said."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders.episodes import walk

from credit_gym.errors import StoreError
from credit_gym.store import Store, keep


def started(store: Store) -> str:
    return store.start_run(env_id="credit/Test-v0", agent_id="random", config={}, seed=7)


@pytest.mark.parametrize(
    "extras",
    [
        {"messages": (({"role": "user", "content": object()},), (), ())},
        {"tool_calls": (({"id": "1", "name": "f", "arguments": {"x": {1, 2}}},), (), ())},
        {"token_ids": ((10**30,), (), ())},
        {"policy_logprobs": (("likely",), (), ())},
        {"usage": {"tokens": object()}},
        {"admissible_actions": ((b"look",), (), ())},
    ],
)
def test_a_value_that_cannot_be_stored_leaves_the_steps_and_the_reason(extras: dict[str, Any], tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        run_id = started(store)
        odd = walk("7-0", **extras)
        keep(store, run_id, odd)
        keep(store, run_id, walk("7-1"))
        first, second = store.load_episodes(run_id)
    assert first.error is not None
    assert first.error.startswith("StoreError: ")
    for name in ("actions", "observations", "rewards", "state_keys", "task_id", "goal", "seed"):
        assert getattr(first, name) == getattr(odd, name)
    assert second == walk("7-1")


def test_an_episode_that_is_there_already_is_still_refused(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        run_id = started(store)
        keep(store, run_id, walk("7-0"))
        with pytest.raises(StoreError, match="already"):
            keep(store, run_id, walk("7-0"))


def test_a_disk_that_refuses_is_no_fault_of_the_episode(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        run_id = started(store)
        (tmp_path / "blobs").write_text("in the way")
        with pytest.raises(StoreError, match="cannot be written"):
            keep(store, run_id, walk("7-0", goal="long " * 1000))
        assert store.load_episodes(run_id) == []


@pytest.mark.parametrize("rewards", [(1.0, math.nan, 0.0), (math.inf, 0.0, 0.0)])
def test_an_episode_with_a_number_that_nobody_can_compute_with_did_not_complete(
    rewards: tuple[float, ...], tmp_path: Path
) -> None:
    with Store.open(tmp_path) as store:
        run_id = started(store)
        store.add_episodes(
            run_id, [walk("7-0"), walk("7-1", rewards=rewards), walk("7-2", log_belief=(-math.inf,) * 4)]
        )
        loaded = store.load_episodes(run_id)
    assert [episode.error is None for episode in loaded] == [True, False, True]
    assert "rewards at step" in str(loaded[1].error)
    assert replace(loaded[1], error=None, rewards=walk("7-1").rewards) == walk("7-1")
