"""A language model that answers in place of the rules: cached, retried, and never at the agent's cost."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from credit_gym.data.foreign_text import file_text

Answerer: TypeAlias = Callable[[Sequence[Mapping[str, str]]], str]
"""``messages -> text``: a chat (``role``, ``content``) and how the model goes on, at temperature 0."""

Parse: TypeAlias = Callable[[str], str | None]
"""Reads the verdict out of a model's text; None where it holds none."""

_REMINDER = "That could not be read. Answer again, and put your answer between <answer> and </answer>."


class LLMJudge:
    """Asks a model, remembers what it said, and asks again when the answer cannot be read.

    The answer depends on the messages alone, so a judge is deterministic as far as its model is: give it one that
    samples at temperature 0. A text that could be read is kept, by the hash of its messages; one that could not is
    answered with a reminder, at most ``attempts`` times in all. What the model raises is not caught: an outage is not
    a verdict.

    Args:
        model: the model.
        cache: a folder that keeps the texts beyond this process; None keeps them in memory alone.
        attempts: how often to ask before giving up.

    Attributes:
        calls: how often the model was asked.
        failures: how many questions stayed without a readable answer.
    """

    def __init__(self, model: Answerer, *, cache: str | os.PathLike[str] | None = None, attempts: int = 3) -> None:
        self.model = model
        self.cache = None if cache is None else Path(cache)
        self.attempts = attempts
        self.calls = 0
        self.failures = 0
        self._texts: dict[str, str] = {}

    @classmethod
    def of(cls, answerer: Answerer | LLMJudge) -> LLMJudge:
        """Return a judge that asks ``answerer``; a judge is returned as it is."""
        return answerer if isinstance(answerer, LLMJudge) else cls(answerer)

    def ask(self, messages: Sequence[Mapping[str, str]], parse: Parse) -> str | None:
        """Return the verdict on a chat, None if no answer could be read."""
        key = hashlib.blake2b(json.dumps(list(map(dict, messages))).encode(), digest_size=20).hexdigest()
        known = self._recall(key)
        if known is not None and (verdict := parse(known)) is not None:
            return verdict
        chat = list(messages)
        for _ in range(self.attempts):
            self.calls += 1
            text = self.model(chat)
            verdict = parse(text)
            if verdict is not None:
                self._keep(key, text)
                return verdict
            chat = [*messages, {"role": "assistant", "content": text}, {"role": "user", "content": _REMINDER}]
        self.failures += 1
        return None

    def _recall(self, key: str) -> str | None:
        if key not in self._texts and self.cache is not None:
            path = self.cache / f"{key}.txt"
            if path.is_file():
                self._texts[key] = file_text(path)
        return self._texts.get(key)

    def _keep(self, key: str, text: str) -> None:
        self._texts[key] = text
        if self.cache is None:
            return
        self.cache.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.cache)
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        os.replace(name, self.cache / f"{key}.txt")  # a reader never sees half a text


def tagged(text: str) -> str:
    """Return what stands between all ``<answer>`` and ``</answer>``, joined by blanks; empty where nothing does."""
    closed = re.split("</answer>", text, flags=re.IGNORECASE)[:-1]
    opened = [re.split("<answer>", part, maxsplit=1, flags=re.IGNORECASE) for part in closed]
    return " ".join(part[1] for part in opened if len(part) > 1).strip()


def one_of(labels: Sequence[str], *, upstream: bool = False) -> Parse:
    """Return a reader of tagged labels.

    Args:
        labels: the labels, lower-case.
        upstream: read as the published judge is read: everything but letters, digits, ``.``, ``,`` and blanks is
            deleted and the first word counts, punctuation included, so that ``Yes.`` is no label.
    """

    def parse(text: str) -> str | None:
        words = re.sub(r"[^a-zA-Z0-9., ]", "", tagged(text)).lower().split()
        word = words[0] if words else ""
        return found if (found := word if upstream else word.strip(".,")) in labels else None

    return parse
