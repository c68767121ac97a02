"""What a model writes reaches every environment whole: the expert's actions earn the same through an agent."""

import gymnasium as gym
import pytest
from builders.scripted_models import AGENT_SEED, DIALECTS, ScriptedModel, expert_script

from credit_gym.agents.llm.agent import BatchAgent
from credit_gym.agents.llm.prompting import PROMPTINGS, Prompting
from credit_gym.agents.rollout.threads import drive
from credit_gym.agents.rollout.turns import episode_turns
from credit_gym.data.episode import Episode
from credit_gym.registration import ENVIRONMENTS

IDS = [spec.id for spec in ENVIRONMENTS]
SEEDS = (0, 1, 2)


def played(env: gym.Env[str, str], model: ScriptedModel, seed: int, prompting: Prompting | None = None) -> Episode:
    agent = BatchAgent(model, prompting, seed=AGENT_SEED)
    turns = episode_turns(env, agent_id="scripted", seed=seed, episode_id="e", group_id="g")
    episode = drive(turns, agent)
    assert episode.error is None
    return episode


@pytest.mark.slow
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("env_id", IDS)
def test_the_expert_earns_through_an_agent_what_it_earns_by_itself(env_id: str, dialect: str) -> None:
    env = gym.make(env_id)
    for seed in SEEDS:
        script, rewards = expert_script(env, seed, DIALECTS[dialect])
        episode = played(env, ScriptedModel(script), seed)
        assert list(episode.rewards) == rewards
        said = tuple(answer.text for answer in script.values())
        assert episode.replies == (said if any(said) else None)  # an expert that makes calls alone says nothing


@pytest.mark.parametrize("style", ["react", "tags"])
@pytest.mark.parametrize("env_id", ["credit/MultiAgentCode-v0", "credit/Tau2-v0", "credit/ALFWorld-v0"])
def test_thoughts_before_an_action_cost_nothing_of_it(env_id: str, style: str) -> None:
    opening, closing = {"react": ("Thought: Let me see.\nAction: ", ""), "tags": ("So.\n<action>", "</action>")}[style]
    env = gym.make(env_id)
    for seed in SEEDS:
        script, rewards = expert_script(
            env, seed, lambda *given: DIALECTS["plain"](f"{opening}{given[0]}{closing}", (), given[2])
        )
        episode = played(env, ScriptedModel(script), seed, PROMPTINGS[style])
        assert list(episode.rewards) == rewards
        assert set(episode.thoughts or ()) == {"Let me see." if style == "react" else "So."}


def test_a_team_of_two_submits_a_program_of_many_lines_that_passes() -> None:
    env = gym.make("credit/MultiAgentCode-v0")
    script, rewards = expert_script(env, 0, DIALECTS["fenced"])
    episode = played(env, ScriptedModel(script), 0)
    assert episode.roles == ("reasoner", "actor")
    assert "def " in episode.actions[1]
    assert episode.actions[1].count("\n") > 3
    assert (episode.success, list(episode.rewards)) == (True, rewards)


def test_an_indented_call_over_several_lines_is_made_and_not_spoken() -> None:
    env = gym.make("credit/Tau2-v0")
    script, _ = expert_script(env, 0, DIALECTS["fenced"])
    model = ScriptedModel(script)
    episode = played(env, model, 0)
    assert episode.success
    assert not any("```" in action or action.startswith("Let me see") for action in episode.actions)


def test_native_calls_and_their_results_stand_in_the_chat_and_in_the_record() -> None:
    env = gym.make("credit/Tau2-v0")
    script, _ = expert_script(env, 0, DIALECTS["native"])
    model = ScriptedModel(script)
    episode = played(env, model, 0)
    assert all(request.tools for request in model.asked)
    assert episode.tool_calls is not None
    assert episode.messages is not None
    made = [call for calls in episode.tool_calls for call in calls]
    assert made
    chat = list(episode.messages[-1])
    shown = [call for message in chat for call in message.get("tool_calls", ())]
    answered = [message["tool_call_id"] for message in chat if message["role"] == "tool"]
    assert [call["id"] for call in shown] == answered
    assert len(set(answered)) == len(answered)
    before = [call for calls in episode.tool_calls[:-1] for call in calls]
    assert [call["function"]["name"] for call in shown] == [call["name"] for call in before]
    assert not any(message["content"].startswith("tool: ") for message in chat)


def test_a_model_whose_template_knows_no_tools_is_asked_in_words() -> None:
    env = gym.make("credit/Tau2-v0")
    script, rewards = expert_script(env, 1, DIALECTS["plain"])
    model = ScriptedModel(script)
    model.takes_tools = False  # type: ignore[attr-defined]
    episode = played(env, model, 1)
    assert list(episode.rewards) == rewards
    assert not any(request.tools for request in model.asked)
    assert any(message["content"].startswith("tool: ") for message in model.asked[-1].messages)


def test_with_tools_as_text_no_request_offers_any_and_no_message_has_calls() -> None:
    env = gym.make("credit/Tau2-v0")
    script, rewards = expert_script(env, 1, DIALECTS["fenced"])
    model = ScriptedModel(script)
    episode = played(env, model, 1, Prompting(tools="text"))
    assert list(episode.rewards) == rewards
    assert not any(request.tools for request in model.asked)
    assert {message["role"] for request in model.asked for message in request.messages} == {
        *("system", "user", "assistant")
    }
