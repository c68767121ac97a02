"""Transcripts as token sequences, one span per message: what a policy and its reference score of a finished run.

``upstream`` writes messages exactly as progress-advantage's code does; ``plain`` is the same text with what nobody said
(headers, separators, a canned greeting, the environment's turns) left out of the spans; ``chat`` is the model's own
template.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from credit_gym.agents.likelihood.forest import TokenSequence
from credit_gym.agents.likelihood.rendering import chat_sequences
from credit_gym.agents.likelihood.transcripts import Transcript
from credit_gym.agents.llm.chat_tokens import ChatTokens
from credit_gym.errors import CreditGymError, unknown

UPSTREAM_CAP = 16_384
"""Most tokens of a transcript in upstream's configuration."""


def sequences(
    transcript: Transcript, tokenizer: Any, *, form: str = "plain", cap: int | None = None
) -> list[TokenSequence]:
    """Return what is scored: the spans of all sequences together are one per message, empty for no action.

    Args:
        transcript: the run.
        tokenizer: of the model that scores; a beginning-of-sequence token comes first if it has one.
        form: a key of :data:`FORMS`.
        cap: for ``upstream`` only, most tokens: the oldest are dropped, the first token with them. In the other forms
            give :class:`~credit_gym.agents.likelihood.passes.Limits` a cap; it loses tokens in the middle, which then
            are missing (NaN) and not 0.

    Raises:
        UnknownNameError: there is no such form.
        CreditGymError: a cap was given to another form than ``upstream``.
    """
    if form not in FORMS:
        raise unknown("form of transcripts", form, FORMS)
    if cap is not None and form != "upstream":
        raise CreditGymError("Only the form 'upstream' takes a cap here; give the others Limits(max_tokens=...).")
    if cap is not None and cap < 1:
        raise CreditGymError(f"A cap must be at least 1 token, not {cap}.")
    return FORMS[form](transcript, tokenizer, cap)


def _upstream(transcript: Transcript, tokenizer: Any, cap: int | None) -> list[TokenSequence]:
    texts = []
    for index, turn in enumerate(transcript.turns):
        said = turn.content
        if turn.role == "assistant" and not transcript.team:
            calls = "".join(f"\ntool_call({call.name}, {call.arguments!r})" for call in turn.calls)
            said = f"{turn.content}{calls}".strip() or "[assistant action]"
        texts.append(("", ("\n" if index else "") + f"[{turn.role}]: {said}"))
    whole = _joined(tokenizer, "", texts, transcript.actions("upstream"))
    lost = max(0, whole.ids.size - cap) if cap else 0
    spans = ((max(start - lost, 0), max(end - lost, 0)) for start, end in whole.spans)
    return [TokenSequence(whole.ids[lost:], tuple(map(_predicted, spans)))]


def _plain(transcript: Transcript, tokenizer: Any, _: int | None) -> list[TokenSequence]:
    opening = f"[task]: {transcript.question}\n" if transcript.question else ""
    texts = [
        (("\n" if i else "") + f"[{turn.speaker or turn.role}]: ", turn.said) for i, turn in enumerate(transcript.turns)
    ]
    whole = _joined(tokenizer, opening, texts, transcript.actions())
    return [TokenSequence(whole.ids, tuple(map(_predicted, whole.spans)))]


def _chat(transcript: Transcript, tokenizer: Any, _: int | None) -> list[TokenSequence]:
    """One sequence per action; the empty spans of messages before it come first in it."""
    actions = transcript.actions()
    chat = [{"role": "user", "content": transcript.question}] if transcript.question else []
    for turn, action in zip(transcript.turns, actions, strict=True):
        named = f"{turn.speaker}: " if turn.environment and turn.speaker else ""
        chat.append({"role": "assistant" if action else "user", "content": named + turn.said})
    found = iter(chat_sequences(ChatTokens(tokenizer), chat))
    result: list[TokenSequence] = []
    empty: list[tuple[int, int]] = []
    for action in actions:
        if action:
            own = next(found)
            result.append(TokenSequence(own.ids, (*empty, *own.spans)))
            empty = []
        else:
            empty.append((0, 0))
    return [*result, TokenSequence(np.zeros(0, dtype=np.int64), tuple(empty))] if empty else result


FORMS: dict[str, Callable[[Transcript, Any, int | None], list[TokenSequence]]] = {
    "plain": _plain,
    "chat": _chat,
    "upstream": _upstream,
}


def _joined(tokenizer: Any, opening: str, texts: Sequence[tuple[str, str]], actions: Sequence[bool]) -> TokenSequence:
    """Headers and bodies, each tokenised by itself, the bodies of actions as spans."""
    ids = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    ids += _ids(tokenizer, opening)
    spans = []
    for (header, body), action in zip(texts, actions, strict=True):
        ids += _ids(tokenizer, header)
        start = len(ids)
        ids += _ids(tokenizer, body)
        spans.append((start, len(ids)) if action else (0, 0))
    return TokenSequence(np.asarray(ids, dtype=np.int64), tuple(spans))


def _ids(tokenizer: Any, text: str) -> list[int]:
    """Text never becomes a special token, whatever it spells."""
    return list(tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)) if text else []


def _predicted(span: tuple[int, int]) -> tuple[int, int]:
    """The part of a span that has something before it."""
    start, end = max(span[0], 1), span[1]
    return (start, end) if end > start else (0, 0)
