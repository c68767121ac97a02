"""A chat as token ids: the template's text around the messages, and what the model sampled kept as it was sampled."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import count
from typing import Any, NamedTuple

from credit_gym.agents.llm.bounded_template import render_template
from credit_gym.agents.llm.completion import Message
from credit_gym.agents.llm.styles import take_apart
from credit_gym.agents.llm.template_effort import TooMuchWork
from credit_gym.agents.llm.tool_chat import calls_of, in_words, text_of
from credit_gym.data.call_dialects import Read, Unreadable, parameters, read_calls
from credit_gym.errors import BackendError

PLAIN = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
"""A chat template for base models, which have none: ``role: content``, one message a line. Nothing but the end of the
line ends a turn, so the prompting needs the stop text ``"\\n"``."""


class Prompt(NamedTuple):
    """A chat in tokens.

    Attributes:
        ids: (N,) token ids, the opening of the assistant's turn included.
        kept: number of earlier assistant turns that stand in it with the very tokens that were sampled.
    """

    ids: tuple[int, ...]
    kept: int


class ChatTokens:
    """Turns chats into tokens by a tokenizer's chat template.

    The template is rendered once and cut where the messages begin and end. What the assistant said is a piece of its
    own, so nothing around it can merge with it, and a message with ``token_ids`` (those of
    :class:`~credit_gym.agents.llm.completion.Completion`) keeps them if, but for blanks at its ends, they spell its
    content: text is never tokenised a second time. The tokens of one turn and its answer are then how the next turn
    begins. That holds unless the template rewrites earlier turns (as those that drop thoughts do) or the prompting
    shows them in other words; such turns are tokenised from their text.

    Tools, calls and results are shown as the template shows them, or in words where it knows none. A call that was
    sampled stays as it was sampled too, if its tokens spell that call and nothing but it was thought; unless the
    template refuses a result behind it.

    Messages are data. Where a text spells a special token, such as an end of turn, it stays text.

    Args:
        tokenizer: a Hugging Face tokenizer.
        chat_template: a Jinja template in place of the tokenizer's own; :data:`PLAIN` for base models.
        vocabulary: number of tokens that the model can sample, None for those of the tokenizer; many models have more.

    Attributes:
        end_of_turn: the token that ends the assistant's turn in this template, None if it has none.

    Raises:
        BackendError: there is no chat template, or it cannot show a user and an assistant.
    """

    def __init__(self, tokenizer: Any, chat_template: str | None = None, *, vocabulary: int | None = None) -> None:
        if chat_template is None and not tokenizer.chat_template:
            raise BackendError(
                f"The tokenizer of {tokenizer.name_or_path!r} has no chat template: give chat_template= a Jinja "
                "template, or credit_gym.agents.llm.chat_tokens.PLAIN if it is a base model."
            )
        self._tokenizer = tokenizer
        self._template = chat_template
        self._vocabulary = vocabulary or len(tokenizer)
        added = {token.content: number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
        self._special_ids = {*tokenizer.all_special_ids, *added.values()}
        special = sorted({*tokenizer.all_special_tokens, *added}, key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, special)) or r"\b\B")
        self._ids_of_template: Callable[[str], tuple[int, ...]] = lru_cache(4096)(self._tokenised)
        self.text_ids: Callable[[str], tuple[int, ...]] = lru_cache(65536)(self._tokenised_text)
        self._spelled: Callable[[tuple[int, ...]], str] = lru_cache(65536)(self._decoded)
        self.end_of_turn = self._find_end_of_turn()

    def prompt(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> Prompt:
        """Return the tokens that ask for the assistant's next turn.

        Args:
            messages: the chat; an assistant message may carry the ``token_ids`` that were sampled for it.
            tools: those that the model may call, as OpenAI function descriptions.

        Raises:
            BackendError: the template refuses the chat.
        """
        as_sampled = [self._as_sampled(message, tools) for message in messages]
        if as_sampled != list(messages):
            try:
                found = self._from_pieces(self._shown(as_sampled, tools), tools)
            except BackendError:
                found = None
            if found is not None:
                return found
        shown = self._shown(messages, tools)
        return self._from_pieces(shown, tools) or Prompt(self._tokenised(self._render(shown, tools)), 0)

    def calls(self, ids: Sequence[int], tools: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
        """Return the tool calls that an answer writes, in whatever dialect; none where it says something else.

        Args:
            ids: the tokens of the answer.
            tools: those that the model had; without any, nothing is a call.
        """
        if not tools:
            return ()
        known = parameters(tools)
        texts = dict.fromkeys((self._with_marks(ids), self.text(ids)))
        found: Read = ()
        for reply in map(take_apart, texts):
            found = found or (() if reply.open else read_calls(reply.text, known))
        return () if isinstance(found, Unreadable) else found

    @cached_property
    def takes_tools(self) -> bool:
        """Whether the template shows tools, calls and their results."""
        function = {"name": "zqname", "arguments": {"zqkey": "zqvalue"}}
        chat: list[Message] = [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "", "tool_calls": [{"id": _ID, "type": "function", "function": function}]},
            {"role": "tool", "tool_call_id": _ID, "name": "zqname", "content": "zqresult"},
        ]
        tool = {"type": "function", "function": {"name": "zqtool", "description": "", "parameters": {"type": "object"}}}
        try:
            shown = self._render(chat, [tool])
        except BackendError:
            return False
        return all(mark in shown for mark in ("zqname", "zqvalue", "zqresult", "zqtool"))

    def answer(self, content: str) -> tuple[int, ...]:
        """Return the tokens with which the assistant would give an answer, the end of its turn included."""
        return (*self.text_ids(content), *(() if self.end_of_turn is None else (self.end_of_turn,)))

    def room(self, prompt: Sequence[int], wanted: int, positions: int | None) -> int:
        """Return how many tokens an answer may have: what is wanted, or what the context length leaves.

        Args:
            prompt: the tokens that are answered.
            wanted: most tokens of the answer.
            positions: the context length, None if it has no end.

        Raises:
            BackendError: it leaves none.
        """
        left = wanted if positions is None else min(wanted, positions - len(prompt))
        if left < 1:
            raise BackendError(
                f"The chat has {len(prompt):,} tokens and {self._tokenizer.name_or_path!r} has room for {positions:,}, "
                "answer included: show fewer earlier turns (history_turns of the prompting) or use a longer context."
            )
        return left

    def text(self, ids: Sequence[int]) -> str:
        """Return what some tokens spell, special ones left out."""
        return self._spelled(tuple(ids))

    def _from_pieces(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> Prompt | None:
        """The prompt put together around the messages; None if the template alters contents."""
        pieces = self._pieces(messages, tools)
        if pieces is None:
            return None
        ids: list[int] = []
        kept, text = 0, ""
        for opening, message, content in pieces:
            text += opening
            if message is None or (message["role"] != "assistant" and not self._special.search(content)):
                text += content
                continue
            ids += self._following(ids, text)
            sampled = self._sampled(message, content)
            ids += self.text_ids(content) if sampled is None else sampled
            kept += sampled is not None
            text = ""
        return Prompt((*ids, *self._following(ids, text)), kept)

    def _pieces(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]
    ) -> list[tuple[str, Message | None, str]] | None:
        """The rendered chat as (template's text, message, its content); None if the template alters contents."""
        contents = [text_of(message) for message in messages]
        everything = "".join(contents)
        stem = next(mark for mark in (f"\ue000{n}." for n in count()) if mark not in everything)
        marked = [
            {**message, "content": f"{stem}{index}\ue001" if content or message.get("token_ids") else ""}
            for index, (message, content) in enumerate(zip(messages, contents, strict=True))
        ]
        found = re.split(f"{stem}(\\d+)\ue001", self._render(marked, tools))
        order = [int(index) for index in found[1::2]]
        whole = self._render(messages, tools)
        pieces: list[tuple[str, Message | None, str]] = []
        place = 0
        for opening, following, index in zip(found[::2], found[2::2], order, strict=False):
            place += len(opening)
            fits = (each for each in _as_shown(contents[index]) if whole.startswith(each + following, place))
            content = next(fits, None)
            if content is None:
                return None
            pieces.append((opening, messages[index], content))
            place += len(content)
        pieces.append((found[-1], None, ""))
        return pieces if "".join(opening + content for opening, _, content in pieces) == whole else None

    def _shown(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> Sequence[Message]:
        """The chat with what it has of tools in words where the template cannot show it, or would make tokens of it."""
        if not tools and not any(message["role"] == "tool" or message.get("tool_calls") for message in messages):
            return messages
        written = "".join(json.dumps(call, ensure_ascii=False) for each in messages for call in calls_of(each))
        return messages if self.takes_tools and not self._special.search(written) else in_words(messages)

    def _render(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = (), *, open_turn: bool = True
    ) -> str:
        shown = {
            **self._tokenizer.special_tokens_map,
            "messages": [_for_template(message) for message in messages],
            "tools": list(tools) or None,
            "documents": None,
            "add_generation_prompt": open_turn,
        }
        try:
            source = self._tokenizer.get_chat_template(self._template, shown["tools"])
            return render_template(source, shown)
        except TooMuchWork:
            raise BackendError(
                f"The chat template of {self._tokenizer.name_or_path!r} takes more work than a chat needs: give "
                "chat_template= another one."
            ) from None
        except Exception as error:  # noqa: BLE001 - a template may raise anything about a chat that it does not like
            said = str(error).partition("\n")[0][:200]
            raise BackendError(
                f"The chat template of {self._tokenizer.name_or_path!r} refuses this chat ({said}): change the "
                "prompting (some templates want no system message) or give chat_template= another one."
            ) from None

    def _as_sampled(self, message: Message, tools: Sequence[Mapping[str, Any]]) -> Message:
        """A message that calls tools as the text that was sampled for it, if that spells these calls and no thought."""
        ids = tuple(message.get("token_ids") or ())
        made = [(call["name"], call["arguments"]) for call in calls_of(message)]
        if not made or not self._known(ids) or take_apart(self.text(ids)).thought:
            return message
        if [(call["name"], call["arguments"]) for call in self.calls(ids, tools)] != made:
            return message
        return {**{key: value for key, value in message.items() if key != "tool_calls"}, "content": self.text(ids)}

    def _sampled(self, message: Message, content: str) -> tuple[int, ...] | None:
        """The tokens that were sampled for a message, if they are this model's and spell its content."""
        ids = tuple(message.get("token_ids") or ())
        return ids if self._known(ids) and self.text(ids).strip() == content.strip() else None

    def _known(self, ids: Sequence[int]) -> bool:
        return bool(ids) and 0 <= min(ids) <= max(ids) < self._vocabulary

    def _with_marks(self, ids: Sequence[int]) -> str:
        """What some tokens spell, those special ones left in that mark a call."""
        text = str(self._tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
        return self._special.sub(lambda found: found[0] if _MARKS.search(found[0]) else "", text)

    def _following(self, ids: Sequence[int], text: str) -> tuple[int, ...]:
        """The tokens of template text; an end of turn that was sampled already is not repeated."""
        following = self._ids_of_template(text)
        repeated = bool(ids and following) and following[0] == ids[-1] == self.end_of_turn
        return following[1:] if repeated else following

    def _find_end_of_turn(self) -> int | None:
        chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "\ue000"}]
        after = self._ids_of_template(self._render(chat, open_turn=False).rpartition("\ue000")[2])
        return after[0] if after and after[0] in self._special_ids else None

    def _decoded(self, ids: tuple[int, ...]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _tokenised(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False))

    def _tokenised_text(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))


def _as_shown(content: str) -> Iterator[str]:
    """What templates make of a content: itself, stripped, or as a JSON text."""
    for shown in (content, json.dumps(content, ensure_ascii=False)[1:-1]):
        yield shown
        yield shown.strip()


def _for_template(message: Message) -> Message:
    """A message as chat templates expect it: no null content, and the arguments of calls as mappings."""
    said = {key: value for key, value in message.items() if key != "token_ids" and value is not None}
    plain = {**said, "content": text_of(message)}
    if message.get("tool_calls"):
        plain["tool_calls"] = [
            {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
            for call in calls_of(message)
        ]
    return plain


_ID = "zqzqzqzq1"  # nine letters and digits, as some templates insist
_MARKS = re.compile(r"tool|function|python_tag|\[ARGS\]", re.IGNORECASE)
