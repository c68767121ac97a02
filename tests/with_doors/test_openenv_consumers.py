"""What the consumers of OpenEnv rely on, each by the code it publishes."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import httpx
import pytest
from builders.served import serving
from openenv import GenericEnvClient

import credit_gym  # noqa: F401 (registers the ids)
from credit_gym.cli.serve import application

STOCHASTIC = "credit/Stochastic-v0"


class Player:
    """A model of verifiers that answers with an action on offer, as it stands."""

    def __init__(self) -> None:
        self.shown: list[Any] = []
        self.rewards: dict[str, float] = {}

    def interaction(self, task: Any) -> Player:
        self.trace = SimpleNamespace(record_reward=self.rewards.__setitem__)
        return self

    async def __aenter__(self) -> Player:
        return self

    async def __aexit__(self, *_: Any) -> None:
        return None

    async def turn(self, text: str) -> Any:
        self.shown.append(json.loads(text))
        offered = self.shown[-1]["observation"]["admissible_actions"]
        return SimpleNamespace(terminated=False, last_reply=f" {offered[len(self.shown) % len(offered)]}\n")


def test_verifiers_own_taskset_plays_each_of_its_resets() -> None:
    verifiers = pytest.importorskip("verifiers.v1")
    path = Path(verifiers.__file__).parent / "tasksets" / "openenv" / "taskset.py"
    spec = importlib.util.spec_from_file_location("openenv_taskset", path)
    assert spec is not None
    taskset: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(taskset)  # type: ignore[union-attr]
    resets = [{"seed": 1, "index": 3}, {"seed": 2, "task": 4}]
    with serving(application([STOCHASTIC], {})) as url:
        for task in taskset.OpenEnvTaskset(taskset.OpenEnvConfig(base_url=url, resets=resets)).load():
            player = Player()
            asyncio.run(taskset.OpenEnvEnv.run(None, task, SimpleNamespace(player=player)))
            assert player.rewards == {"openenv_reward": _in_process(task.data.reset)}


def _in_process(reset: dict[str, int]) -> float:
    """The return of the same play."""
    env = gym.make(STOCHASTIC)
    _, info = env.reset(seed=reset["seed"], options={"task": reset.get("task", reset.get("index"))})
    total, turns, over = 0.0, 0, False
    while not over:
        turns += 1
        offered = info["admissible_actions"]
        _, reward, terminated, truncated, info = env.step(offered[turns % len(offered)])
        total, over = total + float(reward), terminated or truncated
    return total


def test_a_raw_reply_is_an_action_for_whoever_follows_the_schema() -> None:
    """verifiers and others send {required: reply} where a schema wants exactly one field."""
    with serving(application([STOCHASTIC], {})) as url:
        schema = httpx.get(f"{url}/schema").json()["action"]
        (field,) = schema["required"]
        with GenericEnvClient(base_url=url).sync() as client:
            result = client.reset(seed=1)
            assert client.step({field: result.observation["admissible_actions"][0]}).reward is not None


def test_a_class_for_trl_s_environment_factory_may_hold_a_client() -> None:
    """TRL's way to OpenEnv: a class whose reset and tools ask a client; sixteen of them at once, as a group is."""
    with serving(application([STOCHASTIC], {}, sessions=16)) as url:

        class Tower:
            def __init__(self) -> None:
                self.client = GenericEnvClient(base_url=url).sync()
                self.reward = 0.0

            def reset(self, **row: Any) -> str:
                self.reward = 0.0
                return str(self.client.reset(**row).observation["text"])

            def act(self, action: str) -> str:
                """Do one of the things on offer.

                Args:
                    action: what to do.
                """
                result = self.client.step({"text": action})
                self.reward += result.reward or 0.0
                return str(result.observation["text"])

            def get_reward(self) -> float:
                return self.reward

        towers = [Tower() for _ in range(16)]
        begun = [tower.reset(seed=number, index=2) for number, tower in enumerate(towers)]
        assert len(set(begun)) == 1
        assert all(tower.act("no such thing") for tower in towers)
        assert {tower.get_reward() for tower in towers} == {0.0}
        for tower in towers:
            tower.client.close()
