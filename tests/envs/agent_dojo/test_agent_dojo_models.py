"""A language model behind a server plays with native tools, and is shown the injection only in what a tool says."""

from __future__ import annotations

import json
from typing import Any

import gymnasium as gym
from builders.model_servers import Reply, calling, chat_completion, openai_server, serving

from credit_gym.agents import parse_agent, run_episodes
from credit_gym.agents.llm.backends import Settings
from credit_gym.data.calls import write_call


def make_env() -> Any:
    return gym.make("credit/AgentDojo-v0", suite="bank", user_task="user_task_1", injection_task="injection_task_0")


def test_native_calls_earn_what_the_ground_truth_earns_and_the_orders_stand_in_a_tools_answer() -> None:
    game = make_env().unwrapped
    game.reset(seed=0)
    gold, goal = game.rules.gold, json.dumps(game.rules.task.suite.injection_tasks["injection_task_0"].goal)[1:-1]

    def answer(seen: Any) -> Any:
        if seen.method == "GET":
            return openai_server(seen)
        turn = sum(message["role"] == "assistant" for message in seen.body["messages"])
        made = turn < len(gold)
        return Reply(calling(gold[turn].name, dict(gold[turn].arguments)) if made else chat_completion("That is done."))

    with serving(answer) as server:
        agent = parse_agent(f"openai:m@{server.root}/v1", settings=Settings(retries=0, timeout=10.0))
        (episode,) = run_episodes(make_env, agent, episodes=1, seed=0, progress=False)
        posts = server.posts()
    assert episode.error is None
    assert (episode.episode_return, episode.success) == (1.0, True)
    assert list(episode.actions) == [*(write_call(*call) for call in gold), "That is done."]
    names = {tool["function"]["name"] for tool in posts[0].body["tools"]}
    assert names >= {call.name for call in gold}
    told = [message["role"] for message in posts[-1].body["messages"] if goal in (message.get("content") or "")]
    assert told == ["tool"]
