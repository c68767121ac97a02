"""Thoughts in a reply's own text: ``<think>...</think>`` and its like, as reasoning models write them."""

from __future__ import annotations

import re
from typing import NamedTuple

TAG = re.compile(
    r"(?<![\"'`])(?:"  # a tag in quotes is talked about, or part of a program
    r"[<◁](/?)(?:\w{1,20}:)?(?:think|thinking|thoughts?|reasoning|scratchpad|inner_monologue)\s{0,3}[>▷]"
    r"|\[(/?)think\]"
    r"|<\|(?:begin_of_thought|start_thinking)\|>|<\|(end_of_thought|end_thinking)\|>)",
    re.IGNORECASE,
)
"""A tag that begins or ends a thought: of DeepSeek, Qwen and most others, of prompts that ask for one (``<thinking>``,
``<reasoning>``), of Mistral (``[THINK]``), Kimi, Seed, Sky-T1 and Cohere, in small letters or capitals."""


class Reply(NamedTuple):
    """What a model wrote, taken apart.

    Attributes:
        thought: its thoughts; empty if there are none.
        rest: what follows them.
    """

    thought: str
    rest: str


def is_closing(tag: re.Match[str]) -> bool:
    """Whether a match of :data:`TAG` ends a thought."""
    return any(tag.groups())


def take_thought(text: str) -> Reply:
    """Take the thoughts off the beginning of a reply.

    Where the chat template writes the opening tag itself, a reply only closes it. A thought that never closes was cut:
    all of it is thought. Costs O(n).
    """
    thoughts, place = [], 0
    opening: re.Match[str] | None = None
    for tag in TAG.finditer(text):
        if is_closing(tag):
            thoughts.append(text[opening.end() if opening else place : tag.start()].strip())
            place, opening = tag.end(), None
        elif opening is None:
            if text[place : tag.start()].strip():
                break
            opening = tag
    if opening:
        thoughts.append(text[opening.end() :].strip())
        place = len(text)
    return Reply("\n".join(filter(None, thoughts)), text[place:].lstrip() if thoughts else text)
