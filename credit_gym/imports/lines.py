"""JSON lines of others, read line by line: whatever is wrong with one is said with its number."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from credit_gym.episode import Episode
from credit_gym.errors import StoreError


def read_lines(path: Path, read: Callable[[dict[str, Any], int], Episode]) -> list[Episode]:
    """Read one episode from every line that is not blank.

    Args:
        path: the file.
        read: makes an episode of a line's object and its number, from 1.

    Raises:
        StoreError: the file cannot be read, a line is malformed, or two lines have one episode id.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path} cannot be read as text ({error}): give a file of JSON lines.") from None
    episodes: dict[str, Episode] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise TypeError("it is not an object")
            episode = read(row, number)
        except KeyError as error:
            raise StoreError(f"Line {number} of {path} cannot be imported: it has no {error}.") from None
        except (ValueError, TypeError, AttributeError, IndexError, RecursionError) as error:
            raise StoreError(f"Line {number} of {path} cannot be imported: {error}.") from None
        if episode.episode_id in episodes:
            raise StoreError(f"Line {number} of {path} repeats the episode id {episode.episode_id!r}: make ids unique.")
        episodes[episode.episode_id] = episode
    return list(episodes.values())


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
