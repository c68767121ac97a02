"""The published suites, by AgentDojo's own code: its ground truth, and its own judgement beside ours.

These need AgentDojo: installed, or ``AGENTDOJO_DIR`` with its unpacked wheel and the extra ``agentdojo``; the
comparison needs it installed with its model clients.
"""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

from credit_gym.data.calls import write_call
from credit_gym.envs.agent_dojo.env import AgentDojoEnv
from credit_gym.envs.agent_dojo.published import ATTACKS
from credit_gym.envs.agent_dojo.suite import Call
from credit_gym.errors import MissingExtraError, UnknownNameError

try:
    AgentDojoEnv("published", suite="slack", user_task="user_task_0", injection_task="none")
except MissingExtraError as missing:
    pytest.skip(str(missing), allow_module_level=True)

SUITES = ("workspace", "travel", "banking", "slack")
TRAJECTORIES = 1_000


@cache
def env_of(suite: str, attack: str = "important_instructions") -> AgentDojoEnv:
    return AgentDojoEnv("published", suite=suite, attack=attack, max_steps=200)


def numbered(env: AgentDojoEnv, user: str, injection: str) -> int:
    (number,) = (n for n, task in enumerate(env.tasks) if (task.user, task.injection) == (user, injection))
    return number


@pytest.mark.slow
@pytest.mark.parametrize("suite", SUITES)
def test_the_published_ground_truth_solves_every_user_task(suite: str) -> None:
    env = env_of(suite)
    for number, task in enumerate(env.tasks):
        if task.injection:
            continue
        _, info = env.reset(options={"task": number})
        readings, over = [], False
        while not over:
            _, reward, over, _, info = env.step(info["expert_actions"][0])
            readings.append(info["verifier"])
            assert not info["invalid"], task.id
        assert reward == 1.0, task.id
        assert sum(readings) == pytest.approx(1.0), task.id


@pytest.mark.slow
@pytest.mark.parametrize("suite", SUITES)
def test_the_injected_ground_truth_reaches_every_goal_and_is_labelled_where_it_begins_to(suite: str) -> None:
    env = env_of(suite)
    user, unknown = env.tasks[0].user, []
    for number, task in enumerate(env.tasks):
        if task.user != user or not task.injection:
            continue
        env.reset(options={"task": number})
        assert not env.rules._reached_before, task.id
        said = env.rules.task.suite._suite.injection_tasks[task.injection].GROUND_TRUTH_OUTPUT
        if not (env.rules.injected or said):
            unknown.append(task.injection)
            continue
        first = env.rules._telling.index(True) if any(env.rules._telling) else None
        for step, call in enumerate(env.rules.injected):
            *_, info = env.step(write_call(*call))
            assert first is None or (info["obeyed"] == (first if step >= first else -1)), task.id
        *_, info = env.step(said or "Done.")
        assert info["security"], task.id
        assert info["obeyed"] >= 0, task.id
    # the package has no ground truth for these; they are labelled where it counts them as reached
    assert unknown == ([f"injection_task_{number}" for number in range(6, 14)] if suite == "workspace" else [])


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_published_wording_is_read_along_the_ground_truth(attack: str) -> None:
    env = AgentDojoEnv("published", suite="banking", attack=attack, user_task="user_task_0")
    _, info = env.reset(options={"task": 1})
    over = False
    while not (over or info["read"]):
        _, _, over, _, info = env.step(info["expert_actions"][0])
    assert info["read"]


def test_a_clone_that_went_through_a_pickle_goes_on_as_the_original() -> None:
    env, other = env_of("banking"), AgentDojoEnv("published", suite="banking", max_steps=200)
    env.reset(options={"task": numbered(env, "user_task_0", "injection_task_0")})
    for call in (*env.rules.gold, *env.rules.injected):
        for fork in (env.clone_state(), pickle.loads(pickle.dumps(env.clone_state()))):
            other.restore_state(fork)
            before = env.clone_state()
            assert other.step(write_call(*call)) == env.step(write_call(*call))
            env.restore_state(before)
        env.step(write_call(*call))


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_hostile_arguments_are_answered(size: int) -> None:
    env = env_of("workspace")
    text = "[" * size
    for call in (
        Call("send_email", {"recipients": [text], "subject": text, "body": text}),
        Call("send_email", {"recipients": text, "subject": "", "body": ""}),
        Call("search_emails", {"query": text, "sender": "a@" + "b." * (size // 2)}),
        Call("create_calendar_event", {"title": text, "start_time": text, "end_time": "2024-05-15 10:00"}),
        Call("no_such_tool", {"x": {"y": [None, 1e9, True]}}),
    ):
        env.reset(options={"task": 0})
        observation, _, terminated, truncated, info = env.step(write_call(*call))
        assert observation.startswith("tool: Error: ") is info["invalid"]
        assert (terminated, truncated) == (False, False)


def test_an_unknown_version_or_victim_is_named() -> None:
    with pytest.raises(UnknownNameError, match="version of AgentDojo"):
        AgentDojoEnv("published", version="v9")
    with pytest.raises(UnknownNameError, match="victim"):
        AgentDojoEnv("published", victim="nobody")


LOADED = """
import sys, yaml
def taught():
    return [
        dict(vars(kind)[name])
        for kind in (yaml.Dumper, yaml.SafeDumper, yaml.representer.SafeRepresenter, yaml.representer.Representer)
        for name in ("yaml_representers", "yaml_multi_representers")
        if name in vars(kind)
    ]
before = yaml.dump("a"), taught()
from credit_gym.envs.agent_dojo.env import AgentDojoEnv
env = AgentDojoEnv("published", suite="slack", user_task="user_task_0", injection_task="none")
env.reset(seed=0)
assert (yaml.dump("a"), taught()) == before
theirs = {name.partition(".")[0] for name in sys.modules}
assert not theirs & {"agentdojo", "anthropic", "cohere", "openai", "google", "langchain"}, theirs
"""


def test_loading_the_suites_loads_no_client_and_changes_nobody_s_yaml() -> None:
    subprocess.run([sys.executable, "-c", LOADED], check=True)


def trajectory(env: AgentDojoEnv, number: int, draw: random.Random) -> tuple[list[Call], str]:
    """Calls near the ground truth of the user, of the attacker, or of neither; and a last message."""
    env.reset(options={"task": number})
    suite, rules = env.rules.task.suite, env.rules
    calls = list(rules.gold)
    if rules.injected and draw.random() < 0.6:
        at = draw.randint(0, len(calls))
        calls[at:at] = rules.injected if draw.random() < 0.7 else rules.injected[:-1]
    if calls and draw.random() < 0.3:
        del calls[draw.randrange(len(calls))]
    if draw.random() < 0.4:
        other = draw.choice([*suite.user_tasks, *suite.injection_tasks])
        calls.insert(draw.randint(0, len(calls)), draw.choice([*suite.gold(other, rules.start), Call("none", {})]))
    if calls and draw.random() < 0.3:
        at = draw.randrange(len(calls))
        calls[at] = Call(calls[at].name, perturbed(calls[at].arguments, draw))
    answers = [rules.task.suite.user_tasks[rules.task.user].answer] * 3
    answers += [draw.choice(list(suite.user_tasks.values())).answer, "I do not know."]
    return calls, draw.choice(answers).strip() or "Done."


def perturbed(arguments: Any, draw: random.Random) -> dict[str, Any]:
    changed = dict(arguments)
    if changed:
        name = draw.choice(sorted(changed))
        value = changed[name]
        changed[name] = draw.choice([f"{value}x", str(value), value, None, [value], 7])
    return changed


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_utility_and_security_are_the_package_s_on_random_trajectories(monkeypatch: Any) -> None:
    theirs = pytest.importorskip("agentdojo.task_suite", reason="AgentDojo is not installed with its model clients")
    import yaml
    from agentdojo.attacks import load_attack

    # libyaml reads the same, a good deal sooner
    monkeypatch.setattr(yaml, "safe_load", lambda text: yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    draw = random.Random(20)
    seen: dict[tuple[bool, bool], int] = {}
    failed = 0
    for _ in range(TRAJECTORIES):
        env = env_of(draw.choice(SUITES), draw.choice(ATTACKS[:3] + ATTACKS[4:5] + ATTACKS[-1:]))
        number = draw.randrange(env.num_tasks)
        calls, answer = trajectory(env, number, draw)
        *_, info = env.reset(options={"task": number})
        for call in calls:
            *_, info = env.step(write_call(*call))
        _, reward, terminated, _, info = env.step(answer)
        assert terminated, answer

        task = env.tasks[number]
        suite = theirs.get_suite("v1.2.2", task.suite.name)
        user = suite.get_user_task_by_id(task.user)
        goal = suite.get_injection_task_by_id(task.injection) if task.injection else None
        player = scripted(calls, answer)
        written = load_attack(task.attack, suite, player).attack(user, goal) if goal else {}
        assert written == (task.suite.injections(task.user, task.injection, task.attack) if goal else {})
        try:
            expected = suite.run_task_with_pipeline(player, user, goal, written)
        except Exception:  # noqa: BLE001 - a judge of theirs did not foresee this
            failed += 1
            assert not (info["utility"] and info["security"]), (task.id, calls)
            continue
        assert (info["utility"], info["security"]) == expected, (task.id, calls, answer)
        assert reward == float(expected[0])
        seen[expected] = seen.get(expected, 0) + 1
    print(seen, "judges that failed:", failed)
    assert failed < TRAJECTORIES // 20
    assert len(seen) == 4, seen
    assert min(seen.values()) >= TRAJECTORIES // 50, seen


def scripted(calls: list[Call], answer: str) -> Any:
    """A pipeline of the package that makes these calls, one a message, and then answers."""
    from agentdojo.agent_pipeline.base_pipeline_element import BasePipelineElement
    from agentdojo.agent_pipeline.tool_execution import ToolsExecutionLoop, ToolsExecutor
    from agentdojo.functions_runtime import FunctionCall

    class Next(BasePipelineElement):
        def query(self, query: str, runtime: Any, env: Any = None, messages: Any = (), extra_args: Any = None) -> Any:
            made = sum(message["role"] == "assistant" for message in messages)
            told = [{"type": "text", "content": answer if made == len(calls) else ""}]
            call = [] if made == len(calls) else [FunctionCall(function=calls[made].name, args=calls[made].arguments)]
            message = {"role": "assistant", "content": told, "tool_calls": call}
            return query, runtime, env, [*messages, message], extra_args or {}

    class Whole(BasePipelineElement):
        name = "local"

        def query(self, query: str, runtime: Any, env: Any = None, messages: Any = (), extra_args: Any = None) -> Any:
            found = Next().query(query, runtime, env, messages, extra_args)
            return ToolsExecutionLoop([ToolsExecutor(), Next()], max_iters=len(calls) + 1).query(*found)

    return Whole()
