"""What the default prompting tells is enough to act: nobody needs to have seen an environment before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import gymnasium as gym
import pytest

from credit_gym.agents.core import Context, Due
from credit_gym.agents.llm.agent import BatchAgent
from credit_gym.agents.llm.completion import Completion, Message, Request
from credit_gym.agents.llm.prompting import PROMPTINGS, Prompting, messages
from credit_gym.agents.rollout.runner import run_episodes
from credit_gym.data.action_format import FORMATS, ON_OFFER, ActionFormat, declared_format, describe
from credit_gym.registration import ENVIRONMENTS

IDS = [spec.id for spec in ENVIRONMENTS]
LISTED = ActionFormat(how="Write one of the actions on offer.", listed=True)


class Obedient:
    """A model that knows nothing but the chat: it does what is listed or named there, or what the examples do."""

    name = "obedient"

    def complete(self, requests: Sequence[Request], /) -> list[Completion]:
        return [Completion(text=follow([str(part["content"]) for part in r.messages], r.seed)) for r in requests]


def follow(chat: Sequence[str], bits: int) -> str:
    here, said = chat[-1], "\n\n".join(chat)
    actions = listed(said) or named(here) or pressed(here) or walks(said) or answers(here) or examples(chat[0])
    return actions[bits % len(actions)]


def listed(said: str) -> list[str]:
    """The last list of actions on offer that the chat holds."""
    return said.rpartition(f"\n{ON_OFFER}\n")[2].split("\n\n")[0].split("\n") if ON_OFFER in said else []


def named(page: str) -> list[str]:
    found = re.search(r"You can (.*)\.$", page)
    return re.split(r", | or ", found[1]) if found else []


def pressed(page: str) -> list[str]:
    """In a shop: search where there is a field, else what has a bracket of its own in the examples."""
    if "[SEP]" not in page:
        return []
    if page.endswith("Search"):
        return ["search[red running shoes]"]
    return (
        ["click[buy now]"]
        if "Buy Now" in page
        else ["click[next >]"]
        if "Next >" in page
        else ["click[back to search]"]
    )


def walks(said: str) -> list[str]:
    """In a household: go to what the first page says is there, and then do what needs no place."""
    room = re.search(r"you see (.*)\.\n", said)
    commands = re.search(r"Write one command on one line: (.*)\.\n", said)
    if not room or not commands:
        return []
    if "You arrive at " in said:
        return [command for command in re.split(r", | or ", commands[1]) if " " not in command]
    return [f"go to {place}" for place in re.findall(r"an? (\w+ \d+)", room[1])]


def answers(page: str) -> list[str]:
    found = re.search(r"\(0 to (\d+)\)\? Agent, then step\.", page)
    return [f"WebSurfer {number}" for number in range(int(found[1]) + 1)] if found else []


def examples(system: str) -> list[str]:
    """The first example, else any words: where there is none a message is due."""
    found = re.search(r"\nFor example:\n(.*)\n", system)
    return [found[1]] if found else ["Good day. How can I help you?"]


@pytest.mark.slow
@pytest.mark.parametrize("env_id", IDS)
def test_who_knows_only_what_was_told_has_every_action_accepted(env_id: str) -> None:
    episodes = run_episodes(lambda: gym.make(env_id), BatchAgent(Obedient()), episodes=6, seed=3, progress=False)
    assert [episode.error for episode in episodes] == [None] * 6
    refused = [(e.observations[t], e.actions[t]) for e in episodes for t in range(len(e)) if (e.invalid or ())[t]]
    assert not refused
    assert sum(map(len, episodes)) >= 6


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("name", PROMPTINGS)
def test_every_prompting_tells_the_format_that_the_command_line_shows(env_id: str, name: str) -> None:
    form = declared_format(env_id)
    (system, *_) = messages(Context("Win.", "here", (), (), {}, 0, 7, form), PROMPTINGS[name])
    assert describe(form) in system["content"]


def chat(turns: Sequence[tuple[str, Due]], prompting: Prompting, **info: Any) -> tuple[Message, ...]:
    """The chat at the last of some turns."""
    *before, (observation, due) = turns
    history = tuple((said, "act") for said, _ in before)
    now = {**info, "steps_left": due.steps_left}
    context = Context("Win.", observation, history, due.admissible_actions, now, len(history), 7, due.action_format)
    return messages(context._replace(earlier=tuple(due for _, due in before)), prompting)


def test_actions_are_listed_where_they_change_and_no_page_names_them() -> None:
    some, others = Due(LISTED, ("go north", "wait")), Due(LISTED, ("go south", "wait"))
    turns = [("A.", some), ("B.", some), ("C.", others), ("You can go north or wait.", some), ("D.", some)]
    told = [part["content"] for part in chat(turns, Prompting())[1::2]]
    assert told == [
        f"A.\n\n{ON_OFFER}\ngo north\nwait",
        "B.",
        f"C.\n\n{ON_OFFER}\ngo south\nwait",
        "You can go north or wait.",
        "D.",
    ]


def test_a_window_that_lost_a_list_shows_it_again() -> None:
    due = Due(LISTED, ("go north", "wait"))
    told = chat([("A.", due), ("B.", due), ("C.", due)], Prompting(history_turns=1))
    assert [ON_OFFER in part["content"] for part in told] == [False, True, False, False]


def test_a_format_that_changes_is_told_when_it_does_and_the_chat_only_grows() -> None:
    turns = [("A.", Due(FORMATS["message"])), ("B.", Due(FORMATS["program"])), ("C.", Due(FORMATS["program"]))]
    chats = [chat(turns[: count + 1], Prompting()) for count in range(3)]
    assert FORMATS["message"].how in chats[0][0]["content"]
    assert chats[1][-1]["content"] == f"B.\n\n{FORMATS['program'].how}"
    assert chats[2][-1]["content"] == "C."
    for before, after in pairwise(chats):
        assert after[: len(before)] == before


def test_steps_can_be_told() -> None:
    prompting = Prompting(system="At most $step_limit.", turn="$observation ($steps_left left)", ask=" $steps_left!")
    turns = [("A.", Due(steps_left=5)), ("B.", Due(steps_left=4))]
    said = [part["content"] for part in chat(turns, prompting, step_limit=5)]
    assert said == ["At most 5.", "A. (5 left)", "act", "B. (4 left) 4!"]
    assert chat([("A.", Due())], prompting)[0]["content"] == "At most unlimited."


def test_examples_of_calls_in_text_are_left_out_where_calls_are_native() -> None:
    form = ActionFormat("tool_call", "Make a tool call.", ('{"name": "get"}',))
    tools = [{"type": "function", "function": {"name": "get", "parameters": {}}}]
    context = Context("Win.", "here", (), (), {"tools": tools}, 0, 7, form)
    for kind, shown in (("native", False), ("text", True)):
        assert (form.examples[0] in messages(context, replace(Prompting(), tools=kind))[0]["content"]) is shown
