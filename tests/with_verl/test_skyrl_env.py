"""SkyRL-Gym's own make plays our environments turn by turn."""

from __future__ import annotations

import gymnasium as gym
import pytest
import skyrl_gym
from skyrl_gym.envs.base_text_env import BaseTextEnv

from credit_gym.agents.harnesses.skyrl_env import register
from credit_gym.errors import CreditGymError
from credit_gym.registration import ENVIRONMENTS
from credit_gym.wrappers import RecordVerifier


@pytest.mark.parametrize("env_id", [spec.id for spec in ENVIRONMENTS])
def test_replies_make_the_episode_that_actions_make(env_id):
    env = gym.make(env_id)
    _, info = env.reset(seed=9)
    if not info.get("admissible_actions"):
        pytest.skip("nothing is on offer to be said")
    env.close()
    game = skyrl_gym.make(register(env_id), env_config={}, extras={"seed": 9, "max_turns": 40})
    assert isinstance(game, BaseTextEnv)
    chat, _ = game.init([{"role": "user", "content": "of the row"}])
    assert [message["role"] for message in chat] == ["system", "user"]
    env = RecordVerifier(gym.make(env_id))
    observation, info = env.reset(seed=9)
    assert observation in chat[-1]["content"]
    rewards, done = [], False
    while not done:
        action = info["admissible_actions"][-1]
        observation, reward, terminated, truncated, info = env.step(action)
        output = game.step(f"<think>Well.</think>{action}")
        done = output["done"]
        rewards.append(output["reward"])
        assert output["reward"] == reward
        assert done == (terminated or truncated or len(rewards) == 40)
        said = [message["content"] for message in output["observations"]]
        assert said == [] if done else (len(said) == 1 and observation in said[0])
    assert game.episode.rewards == tuple(rewards)
    assert game.episode.truncated is not game.episode.terminated
    assert game.get_metrics() == {
        "success": float(info.get("success", False)),
        "return": sum(rewards),
        "failed": 0.0,
    }
    game.close()


def test_a_row_names_its_game_or_is_refused():
    name = register("credit/ALFWorld-v0", split="valid_seen")
    with pytest.raises(CreditGymError, match="needs a column seed or task"):
        skyrl_gym.make(name, extras={"data_source": "x"})
    one = skyrl_gym.make(name, extras={"task": 3})
    one.init([])
    assert one.get_metrics() == {}
    env = gym.make("credit/ALFWorld-v0", split="valid_seen")
    _, info = env.reset(seed=0, options={"task": 3})
    one.step("look")
    one._play.leave()
    assert one.episode.task_id == info["task"]["id"]
    assert one.episode.group_id == "3"
    wrong = skyrl_gym.make(name, extras={"task": 10**6})
    with pytest.raises(CreditGymError, match="The game cannot begin"):
        wrong.init([])


def test_a_failure_of_the_environment_ends_the_episode_and_is_said(monkeypatch):
    from credit_gym.envs.webshop.env import WebShopEnv

    def broken(self, action):
        raise OSError("the disk is gone")

    game = skyrl_gym.make(register("credit/WebShop-v0"), extras={"seed": 1})
    game.init([])
    monkeypatch.setattr(WebShopEnv, "step", broken)
    output = game.step("search[chair]")
    assert (output["done"], output["reward"], output["observations"]) == (True, 0.0, [])
    assert output["metadata"] == {"error": "OSError: the disk is gone"}
    assert game.get_metrics()["failed"] == 1.0
