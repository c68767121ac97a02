"""JSON lines of others, read line by line: whatever is wrong with one is said with its number."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from credit_gym.data.episode import Episode
from credit_gym.errors import StoreError


def read_lines(path: Path, read: Callable[[dict[str, Any], int], Episode]) -> Iterator[Episode | StoreError]:
    """Yield one episode for every line that is not blank, or the sentence about a line that is malformed.

    Args:
        path: the file.
        read: makes an episode of a line's object and its number, from 1.

    Raises:
        StoreError: the file cannot be read.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error}): give a file of JSON lines.") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise TypeError("it is not an object")
            yield read(row, number)
        except KeyError as error:
            yield StoreError(f"Line {number} of {path} cannot be imported: it has no {error}.")
        except (ValueError, TypeError, AttributeError, IndexError, RecursionError, OverflowError) as error:
            yield StoreError(f"Line {number} of {path} cannot be imported: {str(error).rstrip('.')}.")


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
