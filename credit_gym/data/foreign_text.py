"""Text that came from outside: one way to read files, JSON, YAML and TOML, with bounds no honest one meets.

Who reads a file of somebody else's reads it here: nothing hangs, nothing is executed, and nothing is read that another
part of the program cannot walk through. What is wrong is a ValueError or an OSError whose text ends a sentence.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from io import BufferedReader
from typing import Any

from credit_gym.errors import ForeignTextError

LARGEST = 4 << 30
"""Bytes of the largest file that is read whole."""

DEEPEST = 100
"""Levels of lists and mappings within each other."""

MOST_DIGITS = 300
"""Digits of the longest integer, so that each of them is a float too."""

MOST_NODES = 1_000_000
"""Values of a YAML text, those that its aliases repeat counted as often."""

_NOT_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_HOLDERS = frozenset({dict, list})
_STRIDE = 30
_LONG_RUN = re.compile(rf"[0-9]{{{MOST_DIGITS // _STRIDE}}}")  # what every thirtieth character shows of a long integer
_DOTTED = re.compile(  # too many keys in a row, which cost tomllib the square of their number
    rf"""(?<![\w-])(?:(?:"[^"\n]*+"|'[^'\n]*+'|[\w-]++)[ \t]*+\.[ \t]*+){{{DEEPEST}}}"""
)
_LONG_NUMBER = re.compile(rf"[-+]?[0-9][0-9a-fA-Fxo_:]{{{MOST_DIGITS},}}")


def open_file(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a regular file for reading; a pipe, a socket or a device is refused at once.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | _NOT_WAITING | _BINARY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def file_bytes(path: str | os.PathLike[str], *, most: int = LARGEST) -> bytes:
    """Return the content of a regular file.

    Raises:
        OSError: it cannot be read, is no regular file, or is larger than ``most`` bytes.
    """
    with open_file(path) as file:
        content = file.read(most + 1) if os.fstat(file.fileno()).st_size <= most else None
    if content is None or len(content) > most:
        raise OSError(errno.EFBIG, f"larger than {most} bytes", os.fspath(path))
    return content


def file_text(path: str | os.PathLike[str], encoding: str = "utf-8", *, most: int = LARGEST) -> str:
    """Return the text of a regular file.

    Raises:
        OSError: as :func:`file_bytes` does.
        UnicodeDecodeError: it is not in that encoding.
    """
    return file_bytes(path, most=most).decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def read_json(
    text: str | bytes,
    *,
    long_integer: Callable[[str], Any] | None = None,
    parse_constant: Callable[[str], Any] | None = None,
    object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None,
) -> Any:
    """Return the value that a JSON text stands for.

    Args:
        text: the JSON.
        long_integer: what becomes of the digits of an integer that is too long; by default it is refused.
        parse_constant: see :func:`json.loads`.
        object_pairs_hook: see :func:`json.loads`.

    Raises:
        ValueError: it is no JSON, too deep, or holds an integer that is too long.
    """
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    parse_int = None  # asked for every number, a function of ours takes time
    if _LONG_RUN.search(text[::_STRIDE]):
        parse_int = whole_number if long_integer is None else partial(_bounded, long_integer)
    try:
        value = json.loads(
            text, parse_int=parse_int, parse_constant=parse_constant, object_pairs_hook=object_pairs_hook
        )
    except RecursionError:
        raise _too_deep() from None
    return value if _has_few_brackets(text) else shallow(value)


def readable(text: str) -> str:
    """Return a JSON text of our own as it is, which :func:`read_json` is going to read again.

    Raises:
        ForeignTextError: it would refuse it.
    """
    if not _has_few_brackets(text) or _LONG_RUN.search(text[::_STRIDE]):
        read_json(text)
    return text


def whole_number(digits: str) -> int:
    """Return the integer that some digits write, as ``parse_int`` of a JSON decoder.

    Raises:
        ForeignTextError: they are too many.
    """
    if len(digits) > MOST_DIGITS:
        raise ForeignTextError(f"it holds an integer of {len(digits)} digits, more than {MOST_DIGITS}")
    return int(digits)


def shallow(value: Any) -> Any:
    """Return a value of JSON's types, at most :data:`DEEPEST` levels deep.

    Raises:
        ForeignTextError: it is deeper.
    """
    level = [value]
    for _ in range(DEEPEST):
        level = [each for holder in level for each in _inside(holder) if type(each) in _HOLDERS]
        if not level:
            return value
    raise _too_deep()


def read_yaml(text: str) -> Any:
    """Return the value that a YAML text stands for, of plain types only.

    Raises:
        ForeignTextError: it is no YAML, too deep, holds too long an integer, or its aliases repeat too much.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_events(yaml.parse(text, loader))
        return yaml.load(text, loader)
    except yaml.YAMLError as error:
        raise ForeignTextError(f"it is no YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise _too_deep() from None
    except ForeignTextError:
        raise
    except (ValueError, OverflowError, TypeError, AttributeError) as error:  # such as the 31st of February
        raise ForeignTextError(f"it holds a value that cannot be read: {error}") from None


def read_toml(text: str) -> dict[str, Any]:
    """Return the table that a TOML text stands for.

    Raises:
        ForeignTextError: it is no TOML, too deep, or holds too long an integer.
    """
    if _DOTTED.search(text):
        raise _too_deep()
    try:
        table = tomllib.loads(text)
    except ValueError as error:
        raise ForeignTextError(f"it is no TOML: {error}") from None
    except RecursionError:
        raise _too_deep() from None
    level: list[Any] = [shallow(table)]
    while level:
        level = [each for holder in level for each in _inside(holder)]
        if any(type(each) is int and abs(each) >= 10**MOST_DIGITS for each in level):
            raise ForeignTextError(f"it holds an integer of more than {MOST_DIGITS} digits")
    return table


def _check_events(events: Iterator[Any]) -> None:
    """Refuse a text by its events, before anything is made of them: sizes of anchors tell what aliases repeat."""
    import yaml

    sizes: dict[str, int] = {}
    open_nodes = list[tuple[str | None, int]]()
    nodes = 0
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = nodes - before
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise ForeignTextError(f"its alias *{event.anchor} names nothing that ended before it")
            nodes += sizes[event.anchor]
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, nodes))
            sizes.pop(event.anchor or "", None)
            nodes += 1
        elif isinstance(event, yaml.ScalarEvent):
            if not event.implicit[1] and _LONG_NUMBER.fullmatch(event.value):  # what is quoted is text
                raise ForeignTextError(f"it holds a number of more than {MOST_DIGITS} digits")
            if event.anchor is not None:
                sizes[event.anchor] = 1
            nodes += 1
        if len(open_nodes) > DEEPEST:
            raise _too_deep()
        if nodes > MOST_NODES:
            raise ForeignTextError(f"it stands for more than {MOST_NODES} values: write fewer aliases")


def _bounded(long_integer: Callable[[str], Any], digits: str) -> Any:
    return int(digits) if len(digits) <= MOST_DIGITS else long_integer(digits)


def _has_few_brackets(text: str) -> bool:
    """Whether there are too few of them to nest deeply."""
    return text.count("[") + text.count("{") <= DEEPEST


def _inside(holder: Any) -> Any:
    return holder.values() if isinstance(holder, dict) else holder if isinstance(holder, list) else ()


def _too_deep() -> ForeignTextError:
    return ForeignTextError(f"it is nested more than {DEEPEST} levels deep")
