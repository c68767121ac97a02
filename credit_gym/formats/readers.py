"""Episodes that others recorded, to be scored like our own: one reader per format, and their registry."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, NamedTuple, TypeAlias

from credit_gym.data.episode import Episode
from credit_gym.errors import OptionError, StoreError, unknown
from credit_gym.formats.recognise import is_read_whole, recognise
from credit_gym.formats.record_folders import read_folder

__all__ = ["AUTO", "READERS", "Imported", "Reader", "each_episode", "read_episodes"]

Reader: TypeAlias = Callable[..., Iterable[Episode | StoreError]]
"""Yields an episode, or the sentence about what stands in its place and cannot be read, for each one of a file.

It takes the path, and by name the options that it has.
"""

AUTO = "auto"
"""In place of a format: whichever the file has (:func:`credit_gym.formats.recognise.recognise`)."""

READERS: dict[str, str] = {
    "chat": "credit_gym.formats.plain:read_plain",
    "steps": "credit_gym.formats.plain:read_plain",
    "atif": "credit_gym.formats.atif:read_atif",
    "verifiers": "credit_gym.formats.verifiers:read_traces",
    "inspect": "credit_gym.formats.inspect_log:read_inspect",
    "process-bench": "credit_gym.formats.agent_process_bench:read_labelled",
    "tau2": "credit_gym.envs.tau2.episodes:read_episodes",
    "bfcl": "credit_gym.envs.function_calls.results:read_episodes",
}
"""Name -> ``module:function`` of a reader, as ``credit-gym import FILE --from NAME`` calls it; loaded when needed."""


class Imported(NamedTuple):
    """What a file held.

    Attributes:
        episodes: all that can be read, in the order of the file.
        damaged: one sentence for each of the others.
    """

    episodes: list[Episode]
    damaged: list[str]


def read_episodes(source: str, path: str | Path, **options: Any) -> Imported:
    """Read episodes from a file.

    Args:
        source: a key of :data:`READERS`, or :data:`AUTO`.
        path: the file.
        options: the reader's own.

    Returns:
        The episodes, and what is wrong with those that cannot be taken: one that is malformed, repeats the id of one
        before it, has a name that is no legal unicode, or holds a reward that is no finite number.

    Raises:
        UnknownNameError: there is no such format.
        OptionError: it has no such option.
        StoreError: the file cannot be read at all.
    """
    found = list(each_episode(source, path, **options))
    damaged = [str(each) for each in found if isinstance(each, StoreError)]
    return Imported([each for each in found if not isinstance(each, StoreError)], damaged)


def each_episode(source: str, path: str | Path, **options: Any) -> Iterator[Episode | StoreError]:
    """Yield what :func:`read_episodes` returns one by one, the sentence about damage in its place.

    Raises:
        UnknownNameError: there is no such format.
        OptionError: it has no such option.
        StoreError: the file cannot be read at all.
    """
    source = recognise(path) if source == AUTO else source
    if source not in READERS:
        raise unknown("import format", source, [*READERS, AUTO])
    read: Reader = resolve_name(READERS[source])
    for option in options:
        if option not in inspect.signature(read).parameters:
            raise OptionError(f"--{option.replace('_', '-')} says nothing about files of the format {source!r}.")
    path, read = Path(path), partial(read, **options)
    if path.is_dir() and not is_read_whole(path, source):
        return _checked(lambda folder: read_folder(folder, read), path)
    return _checked(read, path)


def _checked(read: Reader, path: Path) -> Iterator[Episode | StoreError]:
    ids = set[str]()
    for found in read(path):
        if isinstance(found, StoreError):
            yield found
            continue
        named = f"Episode {found.episode_id!r} of {path}"
        if found.episode_id in ids:
            yield StoreError(f"{path} repeats the episode id {found.episode_id!r}: make ids unique.")
        elif not _is_unicode(found.episode_id + found.agent_id + found.env_id):
            yield StoreError(f"{named} has a name that is no legal unicode: mend its ids.")
        elif not all(map(math.isfinite, found.rewards)):
            yield StoreError(f"{named} has a reward that is no finite number.")
        else:
            ids.add(found.episode_id)
            yield found


def _is_unicode(text: str) -> bool:
    """Whether a text can be stored as it is; JSON may hold lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
