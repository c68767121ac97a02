"""An episode played through somebody else's chat is the one that our own agents play with the same replies."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import gymnasium as gym
import pytest

from credit_gym import rng
from credit_gym.agents.core import Context
from credit_gym.agents.harnesses.growing_play import GrowingPlay
from credit_gym.agents.llm.completion import Completion
from credit_gym.agents.llm.prompting import load_prompting, messages
from credit_gym.agents.llm.reading import read_action
from credit_gym.agents.rollout.turns import episode_turns, go_on
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError, MissingExtraError
from credit_gym.wrappers import RecordVerifier

SEAT: dict[str, Any] = {"seed": 7, "episode_id": "e", "group_id": "g", "agent_id": "a"}


def reply(offered: list[str] | tuple[str, ...], step: int) -> str:
    action = offered[rng.derive(1, step) * len(offered) >> 64]
    return f"<think>Step {step}.</think>{action}"


@pytest.mark.parametrize("prompting", ["plain", "react"])
@pytest.mark.parametrize(
    "env_id", ["credit/Stochastic-v0", "credit/ALFWorld-v0", "credit/Tau2-v0", "credit/TeamGame-v0"]
)
def test_replies_make_the_episode_and_the_chat_that_our_own_agents_have(env_id: str, prompting: str) -> None:
    play = GrowingPlay(env_id, {}, task=2, prompting=prompting, **SEAT)
    chat = play.begin()
    asked = load_prompting(prompting)
    turns = episode_turns(RecordVerifier(gym.make(env_id)), options={"task": 2}, **SEAT)
    moment: Context | Episode = go_on(turns, None)
    step = 0
    while isinstance(moment, Context) and step < 30:
        said = reply(moment.admissible_actions, step)
        action = read_action(Completion(text=said), moment, asked)
        moment = go_on(turns, action)
        chat += [{"role": "assistant", "content": str(action)}, *play.reply(said)]
        step += 1
        if isinstance(moment, Context) and env_id != "credit/Tau2-v0":  # its calls are shown as calls elsewhere
            plain = messages(moment, asked)
            assert [part["role"] for part in chat] == [part["role"] for part in plain]
            shown = [part["content"] for part in plain if part["role"] != "assistant"]
            assert [part["content"] for part in chat if part["role"] != "assistant"] == shown
    if isinstance(moment, Context):
        assert play.episode is None
        assert play.leave().truncated
        return
    assert play.episode is not None
    assert play.reward == moment.rewards[-1]
    for column in ("actions", "observations", "rewards", "state_keys", "verifier", "success", "thoughts", "group_id"):
        assert getattr(play.episode, column) == getattr(moment, column), column
    play.close()


def test_what_is_left_early_is_truncated_and_has_what_was_played() -> None:
    play = GrowingPlay("credit/ALFWorld-v0", {}, task=None, **SEAT)
    play.begin()
    play.reply("look")
    episode = play.leave()
    assert (episode.actions, episode.truncated, episode.terminated, episode.error) == (("look",), True, False, None)
    assert play.leave() is episode


def test_a_chat_that_would_change_is_refused() -> None:
    with pytest.raises(CreditGymError, match="a message must not"):
        GrowingPlay("credit/ALFWorld-v0", {}, task=0, prompting="listed", **SEAT)


@pytest.mark.parametrize(("module", "package"), [("skyrl_env", "skyrl_gym"), ("verifiers_taskset", "verifiers")])
def test_a_missing_package_is_named_with_its_extra(module: str, package: str) -> None:
    if find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    extra = package.partition("_")[0]
    with pytest.raises(MissingExtraError, match=rf'{package}\S* is not installed: pip install "credit-gym\[{extra}\]"'):
        import_module(f"credit_gym.agents.harnesses.{module}")
