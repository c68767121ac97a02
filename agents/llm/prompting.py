"""How a context becomes a chat and a model's reply becomes an action: the prompting policy, as data."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import yaml

from credit_gym.agents.core import Action, Context, random_bits
from credit_gym.agents.llm.completion import Completion, Message, Request
from credit_gym.agents.llm.fields import check_fields
from credit_gym.errors import CreditGymError, unknown

DECODINGS = ("free", "nearest", "constrained")
"""What may be done about a reply that is not an admissible action."""

_LONGEST_COMPARED = 400  # characters of a reply that are compared with the admissible actions: difflib is quadratic


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompting:
    """One way to prompt and to read a chat model.

    The templates are :class:`string.Template` texts: ``$goal`` and ``$observation`` stand for those of the context,
    ``$actions`` (in ``ask`` alone) for the admissible actions, one a line, and ``$$`` for a dollar sign.

    Attributes:
        name: its name, in reports.
        system: the system message; empty for none. Only ``$goal`` may stand in it.
        turn: the user message of each observation.
        ask: appended to the latest user message only. With an empty one a message never changes later, so the tokens of
            one turn are a prefix of the next turn's, until ``history_turns`` drops some.
        style: how the model writes an action, a key of :data:`STYLES`. Earlier actions are shown in the same style,
            without the thoughts that led to them.
        decoding: ``free`` sends what the model wrote; ``nearest`` sends the admissible action most like it;
            ``constrained`` lets the model write nothing but admissible actions where its backend can, and is
            ``nearest`` elsewhere. Where the admissible actions are only a sample, as in a free search, use ``free``.
        history_turns: number of earlier turns shown, None for all.
        max_tokens: most tokens of a reply.
        temperature: of the sampling; 0 is greedy.
        stop: texts that end a reply.

    Raises:
        CreditGymError: a value that makes no sense.
    """

    name: str = "plain"
    system: str = (
        "You are playing a text game. Your goal: $goal\nAnswer with your next action, on one line, and nothing else."
    )
    turn: str = "$observation"
    ask: str = ""
    style: str = "plain"
    decoding: str = "free"
    history_turns: int | None = None
    max_tokens: int = 256
    temperature: float = 1.0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise CreditGymError(f"Prompting {self.name!r}: {problem}.")
        for part, allowed in _PLACEHOLDERS.items():
            _check_template(part, getattr(self, part), allowed)


class Style(NamedTuple):
    """A way to write an action.

    Attributes:
        show: an action as the assistant's turn that wrote it.
        read: the action in a reply; the reply has lost its thinking block.
    """

    show: Callable[[str], str]
    read: Callable[[str], str]


def messages(context: Context, prompting: Prompting) -> tuple[Message, ...]:
    """Return the chat that asks for the next action: the system message, then user and assistant in turn.

    Args:
        context: one episode.
        prompting: how to show it.

    Returns:
        Messages with ``role`` and ``content``; the last is the user's.
    """
    turn = Template(prompting.turn)
    show = STYLES[prompting.style].show
    limit = prompting.history_turns
    shown = context.history if limit is None else context.history[max(len(context.history) - limit, 0) :]
    values = {"goal": context.goal, "actions": "\n".join(context.admissible_actions)}
    chat: list[Message] = []
    if prompting.system:
        chat.append({"role": "system", "content": Template(prompting.system).substitute(values)})
    for observation, action in shown:
        chat.append({"role": "user", "content": turn.substitute(values, observation=observation)})
        chat.append({"role": "assistant", "content": show(action)})
    latest = turn.substitute(values, observation=context.observation)
    if prompting.ask:
        latest += Template(prompting.ask).substitute(values, observation=context.observation)
    chat.append({"role": "user", "content": latest})
    return tuple(chat)


def request(context: Context, prompting: Prompting, seed: int) -> Request:
    """Return the request for the next action; its seed depends on the agent's seed, the episode's and the step."""
    return Request(
        messages=messages(context, prompting),
        seed=random_bits(context, seed),
        max_tokens=prompting.max_tokens,
        temperature=prompting.temperature,
        stop=prompting.stop,
        choices=context.admissible_actions if prompting.decoding == "constrained" else (),
    )


def with_sampled_tokens(asked: Request, context: Context) -> Request:
    """Return the request with ``token_ids`` at those earlier assistant messages whose tokens the history knows.

    A backend in this process then reads them as they were sampled
    (:class:`~credit_gym.agents.llm.chat_tokens.ChatTokens`).
    """
    chat = list(asked.messages)
    turns = [index for index, message in enumerate(chat) if message["role"] == "assistant"]
    for index, (_, action) in zip(reversed(turns), reversed(context.history), strict=False):
        if isinstance(action, Action) and action.token_ids:
            chat[index] = {**chat[index], "token_ids": action.token_ids}
    return replace(asked, messages=tuple(chat))


def read_action(completion: Completion, context: Context, prompting: Prompting) -> Action:
    """Return the action that a reply means, with the chat, the tokens and how it was decoded.

    A reply that means an admissible action, but for case, blanks, quotes and a final full stop, is that action
    (``exact``). Of two admissible actions that are equally near, the order of the text decides.

    Args:
        completion: the reply.
        context: the episode it answers.
        prompting: how the chat was made.
    """
    written = STYLES[prompting.style].read(completion.text.rpartition("</think>")[2]).strip()
    text, decoding = written, "free"
    admissible = {_normal(action): action for action in reversed(context.admissible_actions)}
    if written in context.admissible_actions:
        decoding = "constrained" if completion.constrained else "exact"
    elif _normal(written) in admissible:
        text, decoding = admissible[_normal(written)], "exact"
    elif admissible and prompting.decoding != "free":
        near = difflib.get_close_matches(_normal(written)[:_LONGEST_COMPARED], admissible, n=1, cutoff=0.0)
        text, decoding = admissible[near[0]], "nearest"
    return Action(
        text,
        messages=messages(context, prompting),
        logprobs=completion.logprobs,
        token_ids=completion.token_ids,
        prompt_token_ids=completion.prompt_token_ids,
        decoding=decoding,
        usage=completion.usage,
    )


def load_prompting(name: str | Path) -> Prompting:
    """Return a prompting by its name in :data:`PROMPTINGS`, or from a YAML file that gives some of its fields.

    Raises:
        UnknownNameError: there is neither.
        CreditGymError: the file is not a mapping of fields.
    """
    if str(name) in PROMPTINGS:
        return PROMPTINGS[str(name)]
    path = Path(name)
    if not path.is_file():
        raise unknown("prompting or prompting file", str(name), PROMPTINGS)
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise CreditGymError(f"The prompting file {path} cannot be read as YAML: {reason}.") from None
    if not isinstance(loaded, dict):
        raise CreditGymError(f"The prompting file {path} must map fields such as 'system' and 'style' to values.")
    return prompting_from({"name": path.stem, **loaded})


def prompting_from(mapping: Mapping[str, Any]) -> Prompting:
    """Return the prompting that a mapping of its fields describes, as :func:`prompting_record` writes it.

    Raises:
        CreditGymError: a field does not exist or its value does not fit.
    """
    check_fields("prompting field", mapping, Prompting)
    stop = mapping.get("stop", ())
    return Prompting(**{**mapping, "stop": tuple(stop) if isinstance(stop, list) else stop})


def prompting_record(prompting: Prompting) -> dict[str, Any]:
    """Return the fields of a prompting as plain data, for a run's configuration."""
    return {**asdict(prompting), "stop": list(prompting.stop)}


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def _last_line(text: str) -> str:
    return _first_line("\n".join(reversed(text.splitlines())))


def _after_action(text: str) -> str:
    """What follows the last ``Action:``; a reply without one ends in its action."""
    found = [match[1] for line in text.splitlines() if (match := _ACTION_LINE.match(line))]
    return found[-1] if found else _last_line(text)


def _between_tags(text: str) -> str:
    """What stands in the last ``<action>``, closed or cut off by a stop text."""
    _, tag, inside = text.rpartition("<action>")
    return " ".join(inside.partition("</action>")[0].split()) if tag else _last_line(text)


def _normal(text: str) -> str:
    return " ".join(text.strip(" \t\"'`*").removesuffix(".").casefold().split())


def _problems(prompting: Prompting) -> Iterator[str]:
    """What is wrong with the fields, whatever their types."""
    texts = ("name", "system", "turn", "ask", "style", "decoding")
    history: Any = prompting.history_turns
    temperature: Any = prompting.temperature
    stop: Any = prompting.stop
    if not all(isinstance(getattr(prompting, name), str) for name in texts):
        yield f"{', '.join(texts)} must be text"
    elif prompting.style not in STYLES:
        yield f"style must be one of {', '.join(STYLES)}"
    elif prompting.decoding not in DECODINGS:
        yield f"decoding must be one of {', '.join(DECODINGS)}"
    elif prompting.decoding == "constrained" and prompting.style != "plain":
        yield "constrained decoding leaves no room for thoughts or tags: use style plain"
    if type(prompting.max_tokens) is not int or prompting.max_tokens < 1:
        yield "max_tokens must be a whole number above 0"
    if history is not None and (type(history) is not int or history < 0):
        yield "history_turns must be a whole number, 0 or more, or left out for all"
    if type(temperature) not in (int, float) or not 0 <= temperature < math.inf:
        yield "temperature must be a number, 0 or more"
    if not isinstance(stop, tuple) or not all(isinstance(text, str) and text for text in stop):
        yield "stop must be a list of texts, none of them empty"


def _check_template(part: str, text: str, allowed: frozenset[str]) -> None:
    template = Template(text)
    names = set(template.get_identifiers())
    if not template.is_valid() or not names <= allowed:
        raise CreditGymError(
            f"The template {part!r} may hold {' and '.join(f'${name}' for name in sorted(allowed))} and nothing else "
            f"after a dollar sign; write $$ for the sign itself."
        )


_ACTION_LINE = re.compile(r"[\W_]*action\s{0,9}\d{0,9}[\s*_]{0,9}:[\s*_]*(.*)", re.IGNORECASE)

_PLACEHOLDERS = {
    "system": frozenset({"goal"}),
    "turn": frozenset({"goal", "observation"}),
    "ask": frozenset({"goal", "observation", "actions"}),
}

STYLES: dict[str, Style] = {
    "plain": Style(show=str, read=_first_line),
    "react": Style(show="Action: {}".format, read=_after_action),
    "tags": Style(show="<action>{}</action>".format, read=_between_tags),
}
"""The ways to write an action: ``plain`` is the first line that is not blank, ``react`` a thought and then a line
``Action: ...`` (Yao et al., 2023, arXiv:2210.03629), ``tags`` ``<action>...</action>`` anywhere in the reply."""

_ASK_LISTED = "\n\nYou can do one of these:\n$actions"
_THINK = "You are playing a text game. Your goal: $goal\nThink about what to do"

PROMPTINGS: dict[str, Prompting] = {
    prompting.name: prompting
    for prompting in (
        Prompting(),
        Prompting(name="listed", ask=_ASK_LISTED, decoding="nearest"),
        Prompting(name="constrained", decoding="constrained"),
        Prompting(
            name="react",
            system=f"{_THINK}, then act. Answer with a line 'Thought: ...' and a last line 'Action: ...'.",
            style="react",
            max_tokens=512,
        ),
        Prompting(
            name="tags",
            system=f"{_THINK}, then write your action as <action>...</action>.",
            style="tags",
            max_tokens=512,
        ),
    )
}
"""The promptings that have a name."""
