"""Chat messages as other people write them."""

from __future__ import annotations

from typing import Any


def texts_of(messages: list[dict[str, str]]) -> str:
    """Return what some messages say, one after the other."""
    return "\n".join(message["content"] for message in messages)


def message_of(given: Any) -> dict[str, str]:
    """Return a message's role and text; of a list of content parts the texts.

    Raises:
        TypeError: it is not a message.
    """
    content = given["content"]
    if isinstance(content, list):
        content = "\n".join(str(part["text"]) for part in content if part.get("type") == "text")
    if not isinstance(given["role"], str) or not isinstance(content, (str, type(None))):
        raise TypeError("a message must have a role and a content that are text")
    return {"role": given["role"], "content": content or ""}
