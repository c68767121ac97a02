"""Two nodes on one machine: a cluster that ``RAY_ADDRESS`` names is used, and a node may leave while it works."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

import gymnasium as gym
import pytest

from credit_gym.agents.rollout.ray_runner import run_on_ray
from credit_gym.agents.rollout.ray_tasks import Workers
from credit_gym.agents.rollout.runner import run_episodes
from credit_gym.agents.scripted import NoisyExpert

pytestmark = pytest.mark.slow


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    yield cluster
    cluster.shutdown()


def test_a_node_that_leaves_takes_no_episode_with_it(nodes: Any) -> None:
    leaving = nodes.add_node(num_cpus=1)
    make, seen = partial(gym.make, "credit/ALFWorld-v0"), []

    def sink(episode: Any) -> None:
        seen.append(episode.episode_id)
        if len(seen) == 64:
            nodes.remove_node(leaving, allow_graceful=False)

    options: dict[str, Any] = {"episodes": 400, "seed": 3}
    expert = partial(NoisyExpert, 0.3)
    spread = run_on_ray(make, expert, agent_id="expert", workers=Workers(count=2), sink=sink, progress=False, **options)
    assert spread == run_episodes(make, expert(), progress=False, **options)
    assert len(seen) == len(set(seen)) == 400
    assert os.environ["RAY_ADDRESS"] == nodes.address
