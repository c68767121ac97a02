"""A chat that grows from step to step costs what is new in it."""

from __future__ import annotations

import time
from pathlib import Path

from credit_gym.data.episode import Episode
from credit_gym.store import new_run


def test_a_long_chat_is_stored_in_time_in_proportion_to_its_messages(tmp_path: Path) -> None:
    steps = 1500
    messages = tuple({"role": role, "content": f"{step}"} for step in range(steps) for role in ("user", "assistant"))
    episode = Episode.from_steps(
        [(f"{step}", "go", 0.0) for step in range(steps)],
        messages=tuple(messages[: 2 * step + 1] for step in range(steps)),
        episode_id="e",
    )
    store, run = new_run(tmp_path, env_id="e", agent_id="a", config={}, seed=None)
    began = time.process_time()
    store.add_episodes(run, [episode])
    assert time.process_time() - began < 2.0
    assert store.load_episodes(run) == [episode]
