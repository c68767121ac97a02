"""How a context becomes a chat: the prompting policy, as data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from string import Template
from typing import Any

from credit_gym.agents.core import Action, Context, Due, random_bits
from credit_gym.agents.llm.completion import Message, Request
from credit_gym.agents.llm.fields import check_fields
from credit_gym.agents.llm.news import News, limit_text
from credit_gym.agents.llm.styles import STYLES
from credit_gym.agents.llm.tool_turns import called, has_tools, make_calls, results
from credit_gym.data.action_format import ON_OFFER
from credit_gym.data.foreign_text import file_text, read_yaml
from credit_gym.errors import CreditGymError, unknown

DECODINGS = ("free", "nearest", "constrained")
"""What may be done about a reply that is not an admissible action."""

TOOLS = ("native", "text")
"""How tools are offered and called."""

CUTS = ("play", "invalid", "fail")
"""What may be done about a reply that ends before its action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompting:
    """One way to prompt and to read a chat model.

    The templates are :class:`string.Template` texts:

    - ``$goal``: the task in words. ``$observation`` (in ``turn`` and ``ask``): what the environment said.
    - ``$format`` (in ``system`` and ``ask``): what the environment says of its actions, with examples. ``$length`` (in
      ``system``): ``, on one line`` where an action is a line, and nothing elsewhere.
    - ``$due`` (in ``turn``): what is new about the action that is due: its format where that changes within an episode,
      as in a team; and where the environment understands nothing but admissible actions
      (:attr:`~credit_gym.data.action_format.ActionFormat.listed`), those, one a line, unless they are the last ones
      listed or the observation names them all.
    - ``$actions`` (in ``ask``): the admissible actions, one a line.
    - ``$step_limit`` and ``$steps_left``: how many actions the episode may have, and may still have with this one;
      ``unlimited`` where nothing limits them.
    - ``$$``: a dollar sign.

    Attributes:
        name: its name, in reports.
        system: the system message; empty for none.
        turn: the user message of each observation.
        ask: appended to the latest user message only. With an empty one a message never changes later, so the tokens of
            one turn are a prefix of the next turn's, until ``history_turns`` drops some.
        style: how the model writes an action, a key of :data:`STYLES`. Earlier actions are shown in the same style,
            without the thoughts that led to them.
        tools: ``native`` sends the tools of an environment apart and shows earlier calls and their results as such, in
            the form of OpenAI's chats; a backend whose ``takes_tools`` is False is asked in words. ``text`` leaves them
            to the goal, and a call to the text of a reply, which is read in every dialect either way.
        cut: what is done about a reply that ends in the middle of its thoughts, so that no action was written (a
            thinking block that never closes; a reply cut short, by its ``finish_reason``, that lacks the mark of its
            style or has nothing but thoughts). ``invalid`` plays the empty action, which an environment refuses and
            counts: the model bears the consequence, as it does of every other reply that means nothing. ``play`` plays
            what can be read, as if the thought were the action. ``fail`` ends the episode with an error, to be replayed
            by ``--resume``, say with more ``max_tokens``. A reply cut within its action is played as far as it goes.
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
        "You are playing a text game. Your goal: $goal\n$format\nAnswer with your next action$length, and nothing else."
    )
    turn: str = "$observation$due"
    ask: str = ""
    style: str = "plain"
    tools: str = "native"
    cut: str = "invalid"
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


def messages(context: Context, prompting: Prompting) -> tuple[Message, ...]:
    """Return the chat that asks for the next action: the system message, then user and assistant in turn.

    Where tools are native, an earlier action that calls them is the assistant's ``tool_calls``, and what the
    environment answered comes as messages of the role ``tool``.

    Args:
        context: one episode.
        prompting: how to show it.

    Returns:
        Messages with ``role`` and ``content``; the last is the user's, or a tool's.
    """
    show = STYLES[prompting.style].show
    shown = prompting.history_turns
    left_out = 0 if shown is None else max(len(context.history) - shown, 0)
    native = is_native(context, prompting)
    form = context.action_format
    dues = context.earlier or (Due(form),) * len(context.history)
    told = News((*dues, context.due)[0].action_format, native=native)
    values = {
        "goal": context.goal,
        "actions": "\n".join(context.admissible_actions),
        "step_limit": limit_text(context.info.get("step_limit")),
        "steps_left": limit_text(context.due.steps_left),
    }
    chat: list[Message] = []
    if prompting.system:
        chat.append({"role": "system", "content": Template(prompting.system).substitute(values, **told.form_texts())})

    def say(observation: str, due: Due) -> list[Message]:
        """What the environment said, the answer to whatever the chat ends with."""
        if chat and chat[-1].get("tool_calls"):
            return results(chat[-1], observation, form)
        own = {"due": told.next(due, observation), "steps_left": limit_text(due.steps_left)}
        content = Template(prompting.turn).substitute({**values, **own}, observation=observation)
        return [{"role": "user", "content": content}]

    turns = zip(context.history[left_out:], dues[left_out:], strict=True)
    for number, ((observation, action), due) in enumerate(turns, start=left_out):
        chat += say(observation, due)
        calls = called(action, context.info, number) if native else ()
        chat.append(make_calls(calls) if calls else {"role": "assistant", "content": show(action)})
    chat += say(context.observation, context.due)
    if prompting.ask:
        now = News(form, native=native).form_texts()
        asked = Template(prompting.ask).substitute(values, observation=context.observation, **now)
        if chat[-1]["role"] == "user":
            chat[-1] = {**chat[-1], "content": f"{chat[-1]['content']}{asked}"}
        else:
            chat.append({"role": "user", "content": asked.strip()})
    return tuple(chat)


def is_native(context: Context, prompting: Prompting) -> bool:
    """Whether tools are offered and called as such; what may be written is never constrained then."""
    return prompting.tools == "native" and prompting.decoding != "constrained" and has_tools(context)


def request(context: Context, prompting: Prompting, seed: int) -> Request:
    """Return the request for the next action; its seed depends on the agent's seed, the episode's and the step."""
    return Request(
        messages=messages(context, prompting),
        seed=random_bits(context, seed),
        max_tokens=prompting.max_tokens,
        temperature=prompting.temperature,
        stop=prompting.stop,
        choices=context.admissible_actions if prompting.decoding == "constrained" else (),
        tools=tuple(context.info["tools"]) if is_native(context, prompting) else (),
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
        loaded = read_yaml(file_text(path))
    except (ValueError, OSError) as error:
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


def _problems(prompting: Prompting) -> Iterator[str]:
    """What is wrong with the fields, whatever their types."""
    texts = ("name", "system", "turn", "ask", "style", "tools", "cut", "decoding")
    history: Any = prompting.history_turns
    temperature: Any = prompting.temperature
    stop: Any = prompting.stop
    if not all(isinstance(getattr(prompting, name), str) for name in texts):
        yield f"{', '.join(texts)} must be text"
    elif prompting.style not in STYLES:
        yield f"style must be one of {', '.join(STYLES)}"
    elif prompting.tools not in TOOLS:
        yield f"tools must be one of {', '.join(TOOLS)}"
    elif prompting.cut not in CUTS:
        yield f"cut must be one of {', '.join(CUTS)}"
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


_PLACEHOLDERS = {
    "system": frozenset({"goal", "format", "length", "step_limit"}),
    "turn": frozenset({"goal", "observation", "due", "step_limit", "steps_left"}),
    "ask": frozenset({"goal", "observation", "actions", "format", "step_limit", "steps_left"}),
}

_ASK_LISTED = f"\n\n{ON_OFFER}\n$actions"
_THINK = "You are playing a text game. Your goal: $goal\n$format\nThink about what to do"

PROMPTINGS: dict[str, Prompting] = {
    prompting.name: prompting
    for prompting in (
        Prompting(),
        Prompting(name="listed", turn="$observation", ask=_ASK_LISTED, decoding="nearest"),
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
