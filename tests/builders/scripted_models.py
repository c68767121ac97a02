"""A backend that answers with an expert's own actions, in the dialect that it is told to write."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium as gym

from credit_gym import rng
from credit_gym.agents.llm.completion import Completion, Request
from credit_gym.data.action_format import ActionFormat, format_at
from credit_gym.data.call_dialects import Unreadable, parameters, read_calls

AGENT_SEED = 5

Dialect = Callable[[str, tuple[dict[str, Any], ...], ActionFormat], Completion]
"""Writes an action, given the calls that it makes and the format that is due."""


def plain(action: str, calls: Sequence[Mapping[str, Any]], form: ActionFormat) -> Completion:
    return Completion(text=action)


def fenced(action: str, calls: Sequence[Mapping[str, Any]], form: ActionFormat) -> Completion:
    """Calls indented, over several lines, in a block after some words; a program in its block, among words."""
    if calls:
        bare = {"name": calls[0]["name"], "arguments": calls[0]["arguments"]}
        return Completion(text=f"Let me see.\n\n```json\n{json.dumps(bare, indent=2)}\n```\n\nOne moment, please.")
    if form.kind == "program":
        block = action if "```" in action else f"```python\n{action}\n```"
        return Completion(text=f"Here is the program:\n\n{block}\n\nIt does what was asked for.")
    return Completion(text=f"```\n{action}\n```")


def native(action: str, calls: Sequence[Mapping[str, Any]], form: ActionFormat) -> Completion:
    if not calls:
        return plain(action, calls, form)
    return Completion(text="", tool_calls=tuple(calls), finish_reason="tool_calls", thought="I need to look it up.")


DIALECTS: dict[str, Dialect] = {"plain": plain, "fenced": fenced, "native": native}


class ScriptedModel:
    """Answers requests by their seed, which is that of the agent, the episode and the step.

    Args:
        script: seed of a request -> its answer.
    """

    name = "scripted"

    def __init__(self, script: Mapping[int, Completion]) -> None:
        self.script = script
        self.asked: list[Request] = []

    def complete(self, requests: Sequence[Request], /) -> list[Completion]:
        self.asked += requests
        return [self.script[request.seed] for request in requests]


def expert_script(env: gym.Env[str, str], seed: int, dialect: Dialect) -> tuple[dict[int, Completion], list[float]]:
    """Play the expert's first action at every step; return the script of them in a dialect, and what they earned."""
    _, info = env.reset(seed=seed)
    script: dict[int, Completion] = {}
    rewards: list[float] = []
    over = False
    while not over:
        action = info["expert_actions"][0]
        found = read_calls(action, parameters(info["tools"])) if "tools" in info else ()
        calls = () if isinstance(found, Unreadable) else found
        script[rng.derive(AGENT_SEED, seed, len(rewards))] = dialect(action, calls, format_at(env.unwrapped, info))
        _, reward, terminated, truncated, info = env.step(action)
        rewards.append(float(reward))
        over = terminated or truncated
    return script, rewards
