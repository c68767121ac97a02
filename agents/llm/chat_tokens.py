"""A chat as token ids: the template's text around the messages, and what the model sampled kept as it was sampled."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple

from credit_gym.agents.llm.completion import Message
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
        self._special = re.compile("|".join(map(re.escape, tokenizer.all_special_tokens)) or r"\b\B")
        self._ids_of_template: Callable[[str], tuple[int, ...]] = lru_cache(4096)(self._tokenised)
        self.text_ids: Callable[[str], tuple[int, ...]] = lru_cache(65536)(self._tokenised_text)
        self.end_of_turn = self._find_end_of_turn()

    def prompt(self, messages: Sequence[Message]) -> Prompt:
        """Return the tokens that ask for the assistant's next turn.

        Args:
            messages: the chat; an assistant message may carry the ``token_ids`` that were sampled for it.

        Raises:
            BackendError: the template refuses the chat.
        """
        pieces = self._pieces(messages)
        if pieces is None:
            return Prompt(self._tokenised(self._render(messages)), 0)
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
        return str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _pieces(self, messages: Sequence[Message]) -> list[tuple[str, Message | None, str]] | None:
        """The rendered chat as (template's text, message, its content); None if the template alters contents."""
        contents = [str(message["content"]) for message in messages]
        everything = "".join(contents)
        stem = next(mark for mark in (f"\ue000{n}." for n in count()) if mark not in everything)
        marked = self._render(
            [{**message, "content": f"{stem}{index}\ue001"} for index, message in enumerate(messages)]
        )
        found = re.split(f"{stem}(\\d+)\ue001", marked)
        order = [int(index) for index in found[1::2]]
        whole = self._render(messages)
        for shown in (contents, [content.strip() for content in contents]):  # many templates strip
            pieces: list[tuple[str, Message | None, str]] = [
                (opening, messages[index], shown[index]) for opening, index in zip(found[::2], order, strict=False)
            ]
            pieces.append((found[-1], None, ""))
            if "".join(opening + content for opening, _, content in pieces) == whole:
                return pieces
        return None

    def _render(self, messages: Sequence[Message], *, open_turn: bool = True) -> str:
        plain = [{key: value for key, value in message.items() if key != "token_ids"} for message in messages]
        try:
            rendered = self._tokenizer.apply_chat_template(
                plain, chat_template=self._template, tokenize=False, add_generation_prompt=open_turn
            )
        except Exception as error:  # noqa: BLE001 - a template may raise anything about a chat that it does not like
            said = str(error).partition("\n")[0]
            raise BackendError(
                f"The chat template of {self._tokenizer.name_or_path!r} refuses this chat ({said}): change the "
                "prompting (some templates want no system message) or give chat_template= another one."
            ) from None
        return str(rendered)

    def _sampled(self, message: Message, content: str) -> tuple[int, ...] | None:
        """The tokens that were sampled for a message, if they are this model's and spell its content."""
        ids = tuple(message.get("token_ids") or ())
        known = bool(ids) and 0 <= min(ids) <= max(ids) < self._vocabulary
        return ids if known and self.text(ids).strip() == content.strip() else None

    def _following(self, ids: Sequence[int], text: str) -> tuple[int, ...]:
        """The tokens of template text; an end of turn that was sampled already is not repeated."""
        following = self._ids_of_template(text)
        repeated = bool(ids and following) and following[0] == ids[-1] == self.end_of_turn
        return following[1:] if repeated else following

    def _find_end_of_turn(self) -> int | None:
        chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "\ue000"}]
        after = self._ids_of_template(self._render(chat, open_turn=False).rpartition("\ue000")[2])
        return after[0] if after and after[0] in self._tokenizer.all_special_ids else None

    def _tokenised(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False))

    def _tokenised_text(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))
