"""Keys in logs, by the forms that their providers document: taken out before a log is kept, shown or trained on.

A key without such a form, a password say, is not told from other text. What a server was asked with is another matter:
that key is known, and is taken out however it is spelt, where the answer comes in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, NamedTuple

from credit_gym.data.columns import COLUMNS
from credit_gym.data.episode import Episode

MARK = "[key]"
"""What stands in the place of a key."""


class Form(NamedTuple):
    """The form of a provider's key.

    Attributes:
        begins: texts of which one stands in every key of the form; almost every text is told by their absence.
        pattern: a regular expression.
    """

    begins: tuple[str, ...]
    pattern: str


FORMS = {
    "OpenAI, Anthropic, OpenRouter": Form(("sk-",), r"sk-(?=[A-Za-z_-]{0,60}[0-9])[A-Za-z0-9_-]{20,}+"),
    "Stripe": Form(("k_live_", "k_test_"), r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,}+"),
    "GitHub": Form(("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_[A-Za-z0-9]{36,}+"),
    "GitHub, fine-grained": Form(("github_pat_",), r"github_pat_[A-Za-z0-9_]{22,}+"),
    "GitLab": Form(("glpat-",), r"glpat-[A-Za-z0-9_-]{20,}+"),
    "AWS": Form(("AKIA", "ASIA"), r"A[KS]IA[0-9A-Z]{16}(?![0-9A-Za-z])"),
    "Google": Form(("AIza",), r"AIza[A-Za-z0-9_-]{35}"),
    "Slack": Form(("xox",), r"xox[abeoprs]-[A-Za-z0-9-]{10,}+"),
    "Hugging Face": Form(("hf_",), r"hf_[A-Za-z0-9]{30,}+"),
    "PyPI": Form(("pypi-",), r"pypi-[A-Za-z0-9_-]{50,}+"),
    "npm": Form(("npm_",), r"npm_[A-Za-z0-9]{36}"),
    "a private key": Form(
        ("PRIVATE KEY",),
        r"-----BEGIN (?:[A-Z]{2,12} ){0,2}PRIVATE KEY-----[A-Za-z0-9+/=\s\\]*+"
        r"(?:-----END (?:[A-Z]{2,12} ){0,2}PRIVATE KEY-----)?",
    ),
}
"""Whose key -> its form."""

_BEFORE = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"  # JSON within a text escapes the end of a line
_KEY = re.compile(rf"{_BEFORE}(?:{'|'.join(form.pattern for form in FORMS.values())})")
_BEGINS = tuple(begin for form in FORMS.values() for begin in form.begins)
_TYPES = ("text", "texts", "messages", "calls", "mapping")
_CLEANED = tuple(column for column in COLUMNS if column.type in _TYPES and column.name != "episode_id")


def without_keys(episode: Episode) -> Episode:
    """Return an episode with :data:`MARK` for every key in its texts; the same episode if there is none. Costs O(n).

    An episode id with a key has digits of its hash behind, as two that differ in nothing else stay two.
    """
    found: dict[str, Any] = {}
    if (named := text_without_keys(episode.episode_id)) != episode.episode_id:
        digest = sha256(episode.episode_id.encode(errors="surrogatepass")).hexdigest()
        found["episode_id"] = f"{named}-{digest[:12]}"
    for column in _CLEANED:
        value = getattr(episode, column.name)
        cleaned = _chats(value) if column.type == "messages" and value else _cleaned(value)
        if cleaned is not value:
            found[column.name] = cleaned
    return replace(episode, **found) if found else episode


def text_without_keys(text: str) -> str:
    """Return a text with :data:`MARK` for every key, itself where there is none."""
    return _KEY.sub(MARK, text) if any(begin in text for begin in _BEGINS) and _KEY.search(text) else text


def _chats(chats: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
    """Chats without keys; of one that goes on from the chat before, what is new is looked at."""
    found: list[tuple[Any, ...]] = []
    before: Sequence[Any] = ()
    for chat in chats:
        goes_on = bool(found) and chat[: len(before)] == before
        known = found[-1] if goes_on else ()
        found.append((*known, *_cleaned(chat[len(known) :])))
        before = chat
    return tuple(found) if any(new != old for new, old in zip(found, map(tuple, chats), strict=True)) else chats


def _cleaned(value: Any) -> Any:
    """A value of a column without keys, itself where it has none."""
    if isinstance(value, str):
        return text_without_keys(value)
    if isinstance(value, Mapping):
        parts: Any = {_cleaned(key): _cleaned(each) for key, each in value.items()}
        return parts if any(key not in parts or parts[key] is not each for key, each in value.items()) else value
    if isinstance(value, (tuple, list)):
        parts = [_cleaned(each) for each in value]
        return type(value)(parts) if any(new is not old for new, old in zip(parts, value, strict=True)) else value
    return value
