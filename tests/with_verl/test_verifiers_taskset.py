"""verifiers' own runner plays a taskset of ours with a served model, and its traces carry credit per turn."""

from __future__ import annotations

import asyncio
import json
import sys
from itertools import count
from types import ModuleType

import gymnasium as gym
import httpx
import pytest
import verifiers.v1 as vf
from builders.model_servers import Reply, chat_completion, chosen_action, serving
from verifiers.v1.clients import EvalClientConfig, ModelContext
from verifiers.v1.dialects.chat import message_to_wire
from verifiers.v1.runtimes import ProgramResult
from verifiers.v1.utils.loaders import load_environment, load_taskset, resolve_env_config

from credit_gym import rng
from credit_gym.agents.harnesses.verifiers_taskset import GameEnv, GameTaskset
from credit_gym.credit.assign import build_targets
from credit_gym.formats.readers import read_episodes
from credit_gym.wrappers import RecordEpisodes, RecordVerifier

ENV = "credit/Stochastic-v0"


class Direct(vf.Harness[vf.HarnessConfig]):
    """Asks the served model from this process, as the chat program of verifiers does from one that uv installs."""

    APPENDS_SYSTEM_PROMPT = True
    SUPPORTS_RESUME = True
    EXECUTES_CODE = False
    NEEDS_CONTAINER = False

    async def launch(self, ctx, trace, runtime, endpoint, secret, mcp_urls, data):
        system, prompt = self.resolve_prompt(data)
        chat = [{"role": "system", "content": system}, *(message_to_wire(message) for message in prompt)]
        headers = {"authorization": f"Bearer {secret}"}
        async with httpx.AsyncClient(timeout=60) as http:
            answer = await http.post(
                f"{endpoint}/chat/completions", json={"model": ctx.model, "messages": chat}, headers=headers
            )
        return ProgramResult(0 if answer.status_code == 200 else 1, "", answer.text)


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """A module of the user's own, as an installed taskset is, and the harness of these tests."""
    for name, holds in {"my_games": (GameEnv, GameTaskset), "direct": (Direct,)}.items():
        module = ModuleType(name)
        module.__spec__ = type("Spec", (), {"name": name})()
        vars(module).update({each.__name__: each for each in holds}, __all__=[each.__name__ for each in holds])
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("NO_KEY", "k")


def config(**own):
    return resolve_env_config(
        {
            "taskset": {"id": "my-games", "env": ENV, "tasks": 3, "seed": 5},
            "player": {"harness": {"id": "direct"}, "runtime": {"type": "subprocess"}},
            "group_size": 4,
            "scorer": "grpo",
            **own,
        }
    )


def played(settings, answer, tasks=1, tokens=False):
    """Episodes of verifiers for the first tasks; with tokens as if the model had been sampled by a trainer's client."""

    async def run(root):
        env = load_environment(settings)
        if tokens:
            finalize = env.finalize

            async def with_tokens(task, episode):
                for node in (node for trace in episode.traces for node in trace.nodes if node.sampled):
                    node.token_ids, node.mask = [7, 8, 9], [False, True, True]
                await finalize(task, episode)

            env.finalize = with_tokens
        ctx = ModelContext(
            model="m",
            client=EvalClientConfig(base_url=f"{root}/v1", api_key_var="NO_KEY"),
            sampling=vf.SamplingConfig(),
        )
        async with env.serving():
            found = [await env.run_slot(*env.slots(task), ctx) for task in list(env.taskset)[:tasks]]
        assert env._played == {}
        return found

    with serving(answer) as server:
        return asyncio.run(run(server.root))


ASKED = count()


def plays(seen):
    """Something else each time, or the rollouts of a group would be alike."""
    return Reply(chat_completion(f"<think>Hm.</think>{chosen_action({**seen.body, 'seed': next(ASKED)})}"))


def test_a_taskset_lists_the_tasks_of_its_environment_with_seeds_and_keys_of_their_own():
    taskset = load_taskset(config().taskset)
    tasks = list(taskset)
    assert [task.data.task for task in tasks] == [0, 1, 2]
    assert [task.data.idx for task in tasks] == [0, 1, 2]
    assert [task.data.seed for task in tasks] == [rng.derive(5, index) >> 1 for index in range(3)]
    assert len({task.key for task in tasks}) == 3
    assert [task.key for task in taskset.include(idx=["1:3"])] == [task.key for task in tasks[1:]]
    known = config(taskset={"id": "my-games", "env": "credit/ALFWorld-v0", "env_args": {"num_tasks": 7}})
    assert len(list(load_taskset(known.taskset))) == 7


def test_a_group_is_played_as_anybody_plays_it_and_its_turns_are_credited(tmp_path):
    (episode,) = played(config(scorer="evidence_lambda"), plays, tokens=True)
    assert episode.ok, episode.errors
    assert len(episode.traces) == 4
    task = episode.task.data
    for trace in episode.traces:
        assert trace.info["env_id"] == ENV
        (branch,) = trace.branches
        said = [node.message.content for node in trace.nodes if node.sampled]
        env = gym.make(ENV)
        env.reset(seed=trace.info["episode"]["seed"], options={"task": task.task})
        results = [env.step(text.removeprefix("<think>Hm.</think>")) for text in said]
        assert trace.reward == sum(float(result[1]) for result in results)
        assert trace.metrics["success"] == float(results[-1][4].get("success", False))
        assert results[-1][2] or results[-1][3]
        shown = [node.message.content for node in trace.nodes if node.message.role == "user"]
        assert all(result[0] in text for result, text in zip(results[:-1], shown[1:], strict=True))
        earned = trace.info["credits"]
        assert trace.info["scorer"] == "evidence_lambda"
        nodes = [node for node in trace.nodes if node.sampled]
        assert [node.advantages for node in nodes] == [[credit, credit] for credit in earned]
        assert branch.advantages == [value for credit in earned for value in (0.0, credit, credit)]
    lines = "\n".join(json.dumps(trace.model_dump(mode="json", exclude_none=True)) for trace in episode.traces)
    (tmp_path / "traces.jsonl").write_text(lines + "\n")
    back, damaged = read_episodes("verifiers", tmp_path / "traces.jsonl")
    assert not damaged
    assert {each.env_id for each in back} == {ENV}
    assert len({each.group_id for each in back}) == 1
    assert {each.seed for each in back} == {rng.derive(task.seed, member) for member in range(4)}
    for each in back:
        recorded = RecordEpisodes(RecordVerifier(gym.make(ENV)))
        recorded.reset(seed=each.seed, options={"task": task.task})
        ended = [recorded.step(action) for action in each.actions][-1][4]["episode"]
        for column in ("observations", "state_keys", "rewards", "verifier", "success", "terminated", "truncated"):
            assert getattr(each, column) == getattr(ended, column), column
    targets = iter(build_targets(back, "evidence_lambda"))
    again = [[next(targets).credit for _ in range(len(each))] for each in back]
    assert any(map(any, again)), "all were worth the same"
    assert again == [pytest.approx(trace.info["credits"]) for trace in episode.traces]


def test_without_tokens_the_credits_stand_in_the_traces_alone():
    (episode,) = played(config(group_size=2, scorer="mc", options={"discount": 1.0, "baseline": "none"}), plays)
    for trace in episode.traces:
        rewards_to_go = trace.info["credits"]
        assert rewards_to_go[0] == pytest.approx(trace.reward)
        assert [node.advantages for node in trace.nodes if node.sampled] == [[]] * len(rewards_to_go)


def test_a_limit_of_turns_truncates_and_what_was_played_is_credited():
    limited = {"harness": {"id": "direct"}, "runtime": {"type": "subprocess"}, "max_turns": 2}
    (episode,) = played(config(player=limited, group_size=2, scorer="mc"), lambda seen: Reply(chat_completion("wait")))
    assert [trace.num_turns for trace in episode.traces] == [2, 2]
    assert [len(trace.info["credits"]) for trace in episode.traces] == [2, 2]
    assert [trace.metrics["success"] for trace in episode.traces] == [0.0, 0.0]


def test_a_model_that_fails_is_the_trace_s_error_and_is_not_credited():
    (episode,) = played(config(group_size=1), lambda seen: Reply({"error": "gone"}, status=400))
    assert not episode.ok
    assert all(not any(trace.info.get("credits", ())) for trace in episode.traces)
    assert all("scorer" not in trace.info for trace in episode.traces)


def test_an_environment_that_fails_fails_the_episode(monkeypatch):
    from credit_gym.envs.tabular.env import TabularEnv

    def broken(self, action):
        raise OSError("the disk is gone")

    monkeypatch.setattr(TabularEnv, "step", broken)
    (episode,) = played(config(group_size=2), plays)
    assert not episode.ok
    assert "the disk is gone" in episode.errors[-1].message or "the disk is gone" in episode.errors[-1].traceback
