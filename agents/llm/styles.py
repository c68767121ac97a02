"""The ways to write an action: how one is shown to a model, and found in what it wrote."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from credit_gym.data.action_format import ActionFormat
from credit_gym.formats.thoughts import TAG, is_closing


class Written(NamedTuple):
    """What a style finds in a reply.

    Attributes:
        action: the text of the action.
        thought: reasoning before it.
        marked: whether the reply says which part is the action; a style without marks takes all of it for one.
    """

    action: str
    thought: str = ""
    marked: bool = True


class Style(NamedTuple):
    """A way to write an action.

    Attributes:
        show: an action as the assistant's turn that wrote it.
        read: the action in a reply that has lost its thinking block: its line where an action is a line, else the whole
            of what is written in its place.
    """

    show: Callable[[str], str]
    read: Callable[[str, ActionFormat], Written]


class Reply(NamedTuple):
    """A reply, its thinking block apart.

    Attributes:
        text: what follows the block; of one that never closes, what stands before it, or else in it.
        thought: what stands in the block.
        open: whether the block never closes: there is no more than the beginning of a thought.
    """

    text: str
    thought: str = ""
    open: bool = False


def take_apart(text: str, *, ended_early: bool = False) -> Reply:
    """Take the thinking block off a reply: all before the last closing tag, or all behind an opening one without.

    Some chat templates write the opening tag themselves, so it may be missing. A block in a block that closes leaves
    the outer one open in a reply that was cut; in another one its tag was talked about. Costs O(n).

    Args:
        text: the reply.
        ended_early: whether it was cut.
    """
    start, depth, blank = 0, 0, 0
    opening: re.Match[str] | None = None
    for tag in TAG.finditer(text):
        if is_closing(tag):
            start, depth, opening = tag.end(), max(depth - 1, 0), None
        else:
            depth += not depth or bool(text[blank : tag.start()].strip())  # written twice in a row it is one
            opening = opening or tag
        blank = tag.end()
    before, after = text[:start], text[start:]
    if opening:
        ahead, inside = text[start : opening.start()], text[opening.end() :]
        thought = "\n".join(filter(None, (_bare(before), _bare(inside))))
        return Reply(ahead if ahead.strip() else inside, thought, open=True)
    if ended_early and depth:
        return Reply(after, _bare(text), open=True)
    return Reply(after, _bare(before))


def _bare(block: str) -> str:
    return TAG.sub("", block).strip()


def _plain(text: str, form: ActionFormat) -> Written:
    if form.kind == "line":
        return Written(_first_line(text, fence=_FENCE_LINE))
    return Written(_whole(text if form.kind == "program" else _out_of_fence(text)))


def _after_action(text: str, form: ActionFormat) -> Written:
    """What follows ``Action:``; of several lines that begin so the last counts, where an action is more the first."""
    lines = text.splitlines(keepends=True)
    one = form.kind == "line"
    label = _ACTION_LINE if one else _ACTION_TEXT
    found = [(number, match[1]) for number, line in enumerate(lines) if (match := label.match(line))]
    if not found:
        return Written(_last_line(text) if one else _whole(text), marked=False)
    number, rest = found[-1] if one else found[0]
    thought = _THOUGHT_LINE.sub("", "".join(lines[:number]).strip())
    return Written(rest.strip() if one else _whole(f"{rest}\n{''.join(lines[number + 1 :])}"), thought)


def _between_tags(text: str, form: ActionFormat) -> Written:
    """What stands in the last ``<action>``, closed or cut off by a stop text."""
    before, tag, inside = text.rpartition("<action>")
    if not tag:
        return Written(_last_line(text) if form.kind == "line" else _whole(text), marked=False)
    action = inside.partition("</action>")[0]
    return Written(" ".join(action.split()) if form.kind == "line" else _whole(action), before.strip())


def _out_of_fence(text: str) -> str:
    """A reply that is one fenced block of mere text, without its fence."""
    match = _FENCED.match(text)
    inside = text.strip()[len(match[1]) :].removesuffix("```") if match else text
    return text if "```" in inside else inside


def _first_line(text: str, fence: re.Pattern[str] | None = None) -> str:
    """The first line that is neither blank nor the opening of a fence."""
    lines = (line.strip() for line in text.splitlines() if line.strip())
    first = next(lines, "")
    return next(lines, first) if fence is not None and fence.fullmatch(first) else first


def _last_line(text: str) -> str:
    return _first_line("\n".join(reversed(text.splitlines())))


def _whole(text: str) -> str:
    """All but blank lines before and blanks behind: the blanks that a program begins with count."""
    text = text.rstrip()
    start = len(text) - len(text.lstrip())
    return text[text.rfind("\n", 0, start) + 1 :]


_FENCED = re.compile(r"\s*(```(?:text|txt|plaintext|markdown|md)?[ \t]{0,9}\n)")
_FENCE_LINE = re.compile(r"(?:`{3,9}|~{3,9})\w{0,20}")
_LABEL = r"[\W_]*{}\s{{0,9}}\d{{0,9}}[\s*_]{{0,9}}:"
_ACTION_LINE = re.compile(_LABEL.format("action") + r"[\s*_]*(.*)", re.IGNORECASE)
_ACTION_TEXT = re.compile(_LABEL.format("action") + r"[*_]{0,3}[ \t]?(.*)", re.IGNORECASE)
_THOUGHT_LINE = re.compile(r"\A" + _LABEL.format("thought") + r"[\s*_]*", re.IGNORECASE)

STYLES: dict[str, Style] = {
    "plain": Style(show=str, read=_plain),
    "react": Style(show="Action: {}".format, read=_after_action),
    "tags": Style(show="<action>{}</action>".format, read=_between_tags),
}
"""By name: ``plain`` is the first line that is not blank, or the whole reply where an action may be longer; ``react`` a
thought and then ``Action: ...`` (Yao et al., 2023, arXiv:2210.03629); ``tags`` ``<action>...</action>`` anywhere in the
reply."""
