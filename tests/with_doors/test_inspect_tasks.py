"""Our environments as tasks of a real inspect_ai: what is played there is what is played here, and its log says so."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from inspect_ai import Task, eval, score
from inspect_ai._util.error import PrerequisiteError
from inspect_ai._util.registry import registry_lookup
from inspect_ai.dataset import Sample
from inspect_ai.log import EvalLog, read_eval_log
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessageAssistant,
    ChatMessageUser,
    ModelOutput,
    ModelUsage,
    get_model,
)
from inspect_ai.scorer import includes, match
from inspect_ai.solver import generate, use_tools
from inspect_ai.tool import Tool, ToolCall, tool

import credit_gym as cg
from credit_gym import rng
from credit_gym.agents.harnesses.inspect_tasks import outcome, step_credit
from credit_gym.agents.llm.agent import BatchAgent
from credit_gym.agents.llm.completion import Completion, Request
from credit_gym.agents.llm.prompting import load_prompting
from credit_gym.agents.rollout.runner import play_episode
from credit_gym.credit.assign import build_targets
from credit_gym.data.columns import COLUMNS
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError
from credit_gym.formats.json_values import to_json
from credit_gym.formats.readers import read_episodes
from credit_gym.registration import ENVIRONMENTS
from credit_gym.spaces import FreeText
from credit_gym.wrappers import RecordVerifier

import gymnasium as gym  # isort: skip

OFFER = "You can do one of these:\n"


class Said(NamedTuple):
    text: str
    call: tuple[str, str, dict[str, Any]] | None = None


def policy(chat: Sequence[tuple[str, str]], tools: Sequence[tuple[str, Sequence[str]]]) -> Said:
    """What a model says that is fixed by what it is shown: one of the actions listed, a call, or some words."""
    bits = int.from_bytes(hashlib.blake2b(json.dumps(list(chat)).encode(), digest_size=6).digest(), "big")
    if tools and bits % 4:
        name, required = tools[bits % len(tools)]
        return Said("", (f"call{bits % 10**6:06d}", name, dict.fromkeys(required, f"#{bits % 7}")))
    _, found, listed = chat[-1][1].rpartition(OFFER)
    lines = listed.split("\n") if found else [f"Is it thing {bits % 5}?", f"The answer is {bits % 9}.", "42"]
    return Said(lines[bits % len(lines)])


def mock(chat: Sequence[Any], tools: Sequence[Any], choice: Any, config: Any) -> ModelOutput:
    """The policy as mockllm's outputs."""
    said = policy([(each.role, each.text) for each in chat], [(each.name, each.parameters.required) for each in tools])
    calls = [ToolCall(*said.call)] if said.call else None
    message = ChatMessageAssistant(content=said.text, tool_calls=calls, source="generate")
    return ModelOutput(
        model="mockllm/model",
        choices=[ChatCompletionChoice(message=message, stop_reason="tool_calls" if calls else "stop")],
        usage=ModelUsage(input_tokens=3, output_tokens=2, total_tokens=5),
    )


class Ours:
    """The policy as a backend of our own."""

    name = "mockllm/model"

    def complete(self, requests: Sequence[Request], /) -> list[Completion]:
        return [self._answer(each) for each in requests]

    def _answer(self, request: Request) -> Completion:
        functions = [each["function"] for each in request.tools]
        said = policy(
            [(each["role"], each["content"]) for each in request.messages],
            [(each["name"], (each.get("parameters") or {}).get("required", [])) for each in functions],
        )
        calls = ({"id": said.call[0], "name": said.call[1], "arguments": said.call[2]},) if said.call else ()
        return Completion(
            text=said.text,
            tool_calls=calls,
            finish_reason="tool_calls" if calls else "stop",
            usage={"prompt_tokens": 3, "completion_tokens": 2},
        )


def played(name: str, folder: Path, outputs: Callable[..., Any] = mock, **options: Any) -> EvalLog:
    (log,) = eval(
        name,
        model=get_model("mockllm/model", custom_outputs=outputs, memoize=False),
        log_dir=str(folder),
        display="none",
        **{"limit": 2, "fail_on_error": False, **options},
    )
    return log


def episodes_of(log: EvalLog) -> dict[str, Episode]:
    found = read_episodes("inspect", log.location)
    assert found.damaged == []
    return {episode.episode_id: episode for episode in found.episodes}


def here(env_id: str, sample: int, epoch: int, prompting: str, seed: int = 0) -> Episode:
    """The same episode in this process, played by our own agent."""
    env = RecordVerifier(gym.make(env_id))
    try:
        return play_episode(
            env,
            BatchAgent(Ours(), load_prompting(prompting)),
            seed=rng.derive(seed, sample, epoch),
            episode_id=f"{sample}-{epoch}",
            group_id=str(sample),
            options={"task": sample},
        )
    finally:
        env.close()


def differing(one: Episode, other: Episode) -> list[str]:
    """The columns in which two episodes differ, NaN being itself."""
    pairs = ((column, getattr(one, column.name), getattr(other, column.name)) for column in COLUMNS)
    said = (
        (column.name, [None if value is None else to_json(column, value) for value in two]) for column, *two in pairs
    )
    return [name for name, (first, second) in said if first != second]


@pytest.mark.parametrize(
    ("env_id", "prompting"),
    [
        ("credit/Stochastic-v0", "listed"),
        ("credit/ALFWorld-v0", "listed"),
        ("credit/WebShop-v0", "listed"),
        ("credit/TwentyQuestions-v0", "plain"),  # a game of talking
        ("credit/Tau2-v0", "plain"),  # with native tools
        ("credit/MultiAgentMath-v0", "plain"),  # a team
        ("credit/MultiAgentCode-v0", "tags"),
        ("credit/WhoAndWhen-v0", "react"),
    ],
)
def test_what_inspect_plays_comes_in_as_the_episode_that_is_played_here(
    tmp_path: Path, env_id: str, prompting: str
) -> None:
    name = f"credit_gym/{env_id.removeprefix('credit/').removesuffix('-v0').lower()}"
    log = played(name, tmp_path, epochs=2, task_args={"prompting": prompting})
    assert log.status == "success"
    found = episodes_of(log)
    assert set(found) == {"0-1", "0-2", "1-1", "1-2"}
    for episode in found.values():
        sample, epoch = map(int, episode.episode_id.split("-"))
        assert differing(episode, here(env_id, sample, epoch, prompting)) == []
    assert log.samples is not None
    for each in log.samples:
        episode = found[f"{each.id}-{each.epoch}"]
        assert each.scores is not None
        told = each.scores["outcome"]
        assert told.value == {"success": float(episode.success), "return": episode.episode_return}
        assert told.metadata is not None
        assert told.metadata["credit"] == [target.credit for target in build_targets([episode], "pbrs")]


def test_tools_of_a_game_are_offered_and_called_as_such(tmp_path: Path) -> None:
    log = played("credit_gym/tau2", tmp_path)
    (episode, *_) = episodes_of(log).values()
    assert episode.tool_calls is not None
    assert any(episode.tool_calls)
    assert log.samples is not None
    calls = [event for event in log.samples[0].events if event.event == "model"]
    assert all(event.tools for event in calls)
    roles = [message.role for message in log.samples[0].messages]
    assert "tool" in roles
    assert roles[0] == "system"


def test_every_environment_is_a_task() -> None:
    for spec in ENVIRONMENTS:
        name = spec.id.removeprefix("credit/").rpartition("-v")[0].lower()
        assert registry_lookup("task", f"credit_gym/{name}") is not None, name
    assert registry_lookup("task", "credit_gym/environment") is not None


def test_another_environment_is_a_task_by_its_id(tmp_path: Path) -> None:
    arguments = {"env": "credit/Diagnostic-v0", "prompting": "listed", "seed": 3, "env_args": {"task": "selfloop"}}
    log = played("credit_gym/environment", tmp_path, limit=1, task_args=arguments)
    (episode,) = episodes_of(log).values()
    assert episode.env_id == "credit/Diagnostic-v0"
    assert episode.task_id.startswith("selfloop")
    assert episode.seed == rng.derive(3, 0, 1)


def test_what_a_limit_of_inspects_cuts_short_is_truncated_and_keeps_its_steps(tmp_path: Path) -> None:
    whole = here("credit/Stochastic-v0", 0, 1, "listed")
    log = played("credit_gym/stochastic", tmp_path, limit=1, message_limit=6, task_args={"prompting": "listed"})
    (episode,) = episodes_of(log).values()
    assert 0 < len(episode) < len(whole)
    assert (episode.truncated, episode.terminated, episode.error) == (True, False, None)
    assert episode.actions == whole.actions[: len(episode)]
    assert log.samples is not None
    assert log.samples[0].limit is not None


def test_a_time_that_is_over_keeps_what_was_played(tmp_path: Path) -> None:
    answered = 0

    async def slow(*asked: Any) -> ModelOutput:
        nonlocal answered
        answered += 1
        if answered > 2:
            await asyncio.sleep(60)
        return mock(*asked)

    log = played("credit_gym/stochastic", tmp_path, slow, limit=1, time_limit=2, task_args={"prompting": "listed"})
    (episode,) = episodes_of(log).values()
    assert (len(episode), episode.truncated, episode.error) == (2, True, None)


def test_a_model_that_fails_costs_its_sample_and_what_was_played_is_kept(tmp_path: Path) -> None:
    answered = 0

    def failing(*asked: Any) -> ModelOutput:
        nonlocal answered
        answered += 1
        if answered == 2:
            raise RuntimeError("the server is gone")
        return mock(*asked)

    log = played("credit_gym/stochastic", tmp_path, failing, max_samples=1, task_args={"prompting": "listed"})
    first, second = (episodes_of(log)[each] for each in ("0-1", "1-1"))
    assert (len(first), first.error) == (1, "RuntimeError: the server is gone")
    assert second.error is None
    assert log.samples is not None
    assert [each.error is None for each in log.samples] == [False, True]


class Counting(gym.Env[str, str]):
    """Counts to its seed's last digit and has no tasks; the word is refused by an exception."""

    action_space = observation_space = FreeText()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        self.left = 2 + (seed or 0) % 3
        return f"{self.left} left", {"task": {"id": f"{self.left}"}, "state_key": f"{self.left}", "verifier": 0.0}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        if action == "42":
            raise RuntimeError("it is broken")
        self.left -= 1
        over = self.left == 0
        told = {"state_key": f"{self.left}", "verifier": 0.5, "success": over}
        return f"{self.left} left", float(over), over, False, told


gym.register("test/Counting-v0", Counting, disable_env_checker=True)


def test_of_an_environment_without_tasks_the_seed_is_the_task_of_all_epochs(tmp_path: Path) -> None:
    said = ModelOutput.from_content("mockllm/model", "one")
    said.usage = ModelUsage()
    arguments = {"env": "test/Counting-v0", "tasks": 3}
    log = played("credit_gym/environment", tmp_path, lambda *asked: said, limit=None, epochs=2, task_args=arguments)
    found = episodes_of(log)
    assert set(found) == {"0-1", "0-2", "1-1", "1-2", "2-1", "2-2"}
    for sample in range(3):
        first, second = found[f"{sample}-1"], found[f"{sample}-2"]
        assert (first.seed, second.seed) == (rng.derive(0, sample),) * 2
        assert first.task_id == second.task_id
        assert first.success
    with pytest.raises(CreditGymError, match=r"does not say how many tasks it has: give -T tasks=N"):
        played("credit_gym/environment", tmp_path, task_args={"env": "test/Counting-v0"})


def test_an_environment_that_fails_costs_its_sample_and_what_was_played_is_kept(tmp_path: Path) -> None:
    words = iter(["one", "42"])

    def speaking(*asked: Any) -> ModelOutput:
        said = ModelOutput.from_content("mockllm/model", next(words))
        said.usage = ModelUsage()
        return said

    log = played("credit_gym/environment", tmp_path, speaking, task_args={"env": "test/Counting-v0", "tasks": 1})
    (episode,) = episodes_of(log).values()
    assert (episode.actions, episode.error) == (("one",), "RuntimeError: it is broken")
    assert log.samples is not None
    assert log.samples[0].error is not None


def test_a_prompting_that_shows_the_last_turns_alone_is_logged_as_it_asked(tmp_path: Path) -> None:
    path = tmp_path / "short.yaml"
    path.write_text("history_turns: 1\nturn: $observation\nask: ' Act!'\n")
    log = played("credit_gym/tau2", tmp_path, limit=1, task_args={"prompting": str(path)})
    (episode,) = episodes_of(log).values()
    assert differing(episode, here("credit/Tau2-v0", 0, 1, str(path))) == []
    assert episode.messages is not None
    assert len(episode) > 2
    assert max(map(len, episode.messages)) < 8


def test_a_scorer_that_compares_episodes_needs_a_log_that_is_complete(tmp_path: Path) -> None:
    with pytest.raises(CreditGymError, match="looks at a whole batch, which is not there while an evaluation runs"):
        outcome("evidence_lambda")
    log = played("credit_gym/stochastic", tmp_path, epochs=4, task_args={"prompting": "listed"})
    found = list(episodes_of(log).values())
    for by in (cg.scorers.DEFAULT, "gigpo"):
        scored = score(log, step_credit(log=log.location, by=by), action="append", display="none")
        assert scored.samples is not None
        earned: dict[str, list[float]] = {}
        for target in build_targets(found, by):
            earned.setdefault(target.episode_id, []).append(target.credit)
        for each in scored.samples:
            assert each.scores is not None
            told = each.scores["step_credit"]
            assert told.metadata == {"credit": earned[f"{each.id}-{each.epoch}"], "credited_by": by}


@pytest.mark.slow
def test_the_command_plays_a_task_and_our_command_takes_its_log(tmp_path: Path) -> None:
    """`inspect eval` itself; mockllm counts its tokens without the network here."""
    script = tmp_path / "inspect_command.py"
    script.write_text(
        "import sys\n"
        "from inspect_ai.model._providers import mockllm\n"
        "async def count(self, text):\n    return len(text) // 4\n"
        "mockllm.MockLLM.count_text_tokens = count\n"
        "from inspect_ai._cli.main import main\n"
        "main()\n"
    )
    options = ["--model", "mockllm/model", "--limit", "2", "--epochs", "2", "--log-dir", "logs", "--display", "none"]
    command = [sys.executable, str(script), "eval", "credit_gym/alfworld", "-T", "env_args={max_steps: 5}", *options]
    environment = {**os.environ, "HOME": str(tmp_path), "INSPECT_LOG_LEVEL": "warning"}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=240)
    (path,) = (tmp_path / "logs").glob("*.eval")
    assert read_eval_log(str(path)).status == "success"
    taken = subprocess.run(
        [sys.executable, "-m", "credit_gym.cli", "import", str(path), "--from", "inspect"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    store = cg.Store.open(tmp_path / "runs" / taken.stdout.strip(), create=False)
    found = store.load_episodes(taken.stdout.strip())
    assert sorted(episode.episode_id for episode in found) == ["0-1", "0-2", "1-1", "1-2"]
    assert {episode.actions for episode in found} == {("Default output from mockllm/model",) * 5}


@pytest.mark.parametrize(
    ("task", "given", "said"),
    [
        ("sokoban", {"seed": "x"}, "The seed is a whole number"),
        ("sokoban", {"seed": -1}, "The seed is a whole number"),
        ("sokoban", {"prompting": "nope"}, "no prompting or prompting file called 'nope'"),
        ("sokoban", {"prompting": 3}, "The prompting is a name"),
        ("sokoban", {"credit": "nope"}, "no scorer called 'nope'"),
        ("sokoban", {"credit": "grpo"}, "looks at a whole group"),
        ("sokoban", {"env_args": 3}, "The env_args are a mapping"),
        ("sokoban", {"env_args": {"nope": 3}}, "no option of SokobanEnv called 'nope'"),
        ("sokoban", {"env_args": {"max_steps": "many"}}, ""),
        ("environment", {"env": "nope"}, "is no environment"),
        ("environment", {"env": "nope:Nope-v0"}, "cannot be made"),
        ("environment", {}, "Name the environment"),
        ("environment", {"env": 3}, "Name the environment"),
        ("environment", {"env": "credit/Sokoban-v0", "tasks": -3}, "The tasks are a whole number"),
        ("environment", {"env": "credit/Sokoban-v0", "tasks": "x"}, "The tasks are a whole number"),
    ],
)
def test_wrong_arguments_are_a_sentence_of_the_kind_that_inspect_shows_alone(
    task: str, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(PrerequisiteError) as refused:
        eval(f"credit_gym/{task}", task_args=given, model="mockllm/model", display="none")
    assert isinstance(refused.value, CreditGymError)
    sentence = str(refused.value)
    assert said in sentence
    assert "\n" not in sentence
    assert sentence.endswith((".", "?"))


# Logs of other people's tasks


@tool
def add() -> Tool:
    async def execute(x: int, y: int) -> str:
        """Add two numbers.

        Args:
            x: one.
            y: the other.
        """
        return f"{x + y} {'and no more ' * 20}"

    return execute


def sums(*asked: Any) -> ModelOutput:
    chat = asked[0]
    calls = [ToolCall("c1", "add", {"x": 1, "y": 2})] if chat[-1].role == "user" else None
    message = ChatMessageAssistant(content="Let me see." if calls else "3", tool_calls=calls)
    return ModelOutput(
        choices=[ChatCompletionChoice(message=message, stop_reason="tool_calls" if calls else "stop")],
        usage=ModelUsage(input_tokens=5, output_tokens=2, total_tokens=7),
    )


@pytest.mark.parametrize("log_format", ["eval", "json"])
def test_a_log_of_any_task_is_read_as_its_messages_and_scores_are(tmp_path: Path, log_format: str) -> None:
    shown = [ChatMessageUser(content="0+0?"), ChatMessageAssistant(content="0"), ChatMessageUser(content="1+2?")]
    task = Task(
        name="sums",
        dataset=[Sample(id="a/b", input=shown, target="3"), Sample(id=7, input="1+2?", target="4")],
        solver=[use_tools(add()), generate()],
        scorer=[match(), includes()],
        epochs=2,
    )
    model = get_model("mockllm/model", custom_outputs=sums, memoize=False)
    (log,) = eval(task, model=model, log_dir=str(tmp_path), log_format=log_format, display="none")
    assert log.status == "success"
    found = episodes_of(log)
    assert set(found) == {"a/b-1", "a/b-2", "7-1", "7-2"}
    result = f"3 {'and no more ' * 20}"
    for identity, episode in found.items():
        assert episode.actions == ('{"name": "add", "arguments": {"x": 1, "y": 2}}', "3")
        assert episode.observations == ("1+2?" if identity.startswith("7") else "0+0?\n0\n1+2?", result, "")
        assert episode.rewards == (0.0, float(identity.startswith("a")))
        assert episode.success is identity.startswith("a")
        assert episode.finish_reasons == ("tool_calls", "stop")
        assert episode.usage == {"prompt_tokens": 10.0, "completion_tokens": 4.0}
        assert (episode.env_id, episode.agent_id) == ("sums", "mockllm/model")
        assert episode.messages is not None
        assert [message["role"] for message in episode.messages[1]][-3:] == ["user", "assistant", "tool"]
        assert episode.messages[1][-1]["content"] == result
    assert replace(found["7-1"], episode_id="7-2") == found["7-2"]
