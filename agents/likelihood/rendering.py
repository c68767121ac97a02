"""Chats as what is scored: tokens before each turn, the answers, and the question that asks for a belief."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from credit_gym.agents.likelihood.beliefs import Branch, Probe
from credit_gym.agents.likelihood.forest import TokenSequence
from credit_gym.agents.llm.chat_tokens import ChatTokens
from credit_gym.agents.llm.completion import Message
from credit_gym.agents.llm.tool_chat import in_words, text_of
from credit_gym.errors import CreditGymError

ELICITATION = "Is it '{target}'?"


def elicit(tokenizer: Any, target: str, elicitation: str = ELICITATION) -> Branch:
    """Return the assistant's words that name the target; only the tokens of the target are scored.

    The text is tokenised as one piece and the target's tokens are known by where they come from in it, so a target that
    also occurs elsewhere, in the question or in the chat, is never mistaken. A token that spans the target's edge
    belongs to it.

    Args:
        tokenizer: a fast Hugging Face tokenizer.
        target: the word or words, as they stand in the sentence.
        elicitation: the sentence, with ``{target}`` once; nothing else in it is special.

    Raises:
        CreditGymError: the sentence names the target not once, the target is empty, or the tokenizer has no offsets.
    """
    before, *after = elicitation.split("{target}")
    if len(after) != 1 or not target:
        raise CreditGymError(
            f"An elicitation must hold {{target}} once and the target be some text, not {elicitation!r} and {target!r}."
        )
    if not tokenizer.is_fast:
        raise CreditGymError("The tokenizer has no offsets; load the fast version of it (use_fast=True).")
    encoded = tokenizer(
        before + target + after[0], add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True
    )
    offsets = np.asarray(encoded["offset_mapping"])
    within = np.flatnonzero((offsets[:, 1] > len(before)) & (offsets[:, 0] < len(before) + len(target)))
    return Branch(np.asarray(encoded["input_ids"], dtype=np.int64), int(within[0]), int(within[-1]) + 1)


def probe_chat(
    chat: ChatTokens,
    tokenizer: Any,
    messages: Sequence[Message],
    variants: Iterable[str],
    distractors: Iterable[str] = (),
    *,
    elicitation: str = ELICITATION,
) -> Probe:
    """Return the probe of a chat: its points lie before each assistant message and at its end.

    Args:
        chat: turns messages into tokens; an assistant message that carries its ``token_ids`` keeps them.
        tokenizer: the one that ``chat`` uses.
        messages: the whole chat, from the system's or user's first message to the last observation.
        variants: surface forms of the target.
        distractors: what else it might be.
        elicitation: the assistant's words at each point, with ``{target}`` once.
    """
    points = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    contexts = [np.asarray(chat.prompt(messages[:point]).ids) for point in (*points, len(messages))]
    forms = [tuple(elicit(tokenizer, each, elicitation) for each in group) for group in (variants, distractors)]
    return Probe(tuple(contexts), *forms)


def chat_sequences(chat: ChatTokens, messages: Sequence[Message], *, end_of_turn: bool = False) -> list[TokenSequence]:
    """Return one sequence for each assistant message: the tokens it answered, and it as the span that is scored.

    This is for chats whose tokens were not recorded, such as those of a model behind an API: their text is tokenised
    by the scoring model; tool calls are scored as their canonical text. Where tokens were recorded take
    :mod:`credit_gym.agents.likelihood.recorded`.

    Args:
        chat: turns messages into tokens.
        messages: the whole chat.
        end_of_turn: whether the token that ends the turn is scored as part of it.
    """
    sequences = []
    for index, message in enumerate(messages):
        if message["role"] == "assistant":
            (told,) = in_words([message])
            prompt, content = chat.prompt(messages[:index]).ids, text_of(told)
            ids = tuple(message.get("token_ids") or ()) or (
                chat.answer(content) if end_of_turn else chat.text_ids(content)
            )
            span = (len(prompt), len(prompt) + len(ids))
            sequences.append(TokenSequence(np.asarray((*prompt, *ids)), (span,)))
    return sequences
