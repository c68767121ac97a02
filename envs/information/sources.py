"""Reading word lists and scenario files, and splitting them."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from credit_gym.data.foreign_text import file_text, read_json
from credit_gym.envs.webshop.stemmer import stem
from credit_gym.errors import ManifestError

SPLITS = ("train", "eval", "test")
_SHARES = (70, 85, 100)  # of each hundred: up to where a split reaches


class Scenario(NamedTuple):
    """One entry of a published scenario file.

    Attributes:
        secret: what is hidden (``env`` in the file).
        briefing: what the agent is told (``agent`` in the file), often empty or a mere label.
        split: the list that it stood in; where the file has no named lists, by :func:`split_of` of the secret.
    """

    secret: str
    briefing: str
    split: str


def split_of(text: str) -> str:
    """Return the split that a text belongs to, by a hash of its stems: ``tiger`` and ``tigers`` stay together."""
    stems = " ".join(stem(word) for word in text.casefold().split())
    bucket = int.from_bytes(hashlib.blake2b(stems.encode(), digest_size=8).digest()) % 100
    return next(name for name, end in zip(SPLITS, _SHARES, strict=True) if bucket < end)


def read_scenarios(path: str | os.PathLike[str]) -> tuple[Scenario, ...]:
    """Read secrets from a file, in its order, each secret of a split once.

    A ``.json`` file is a list of entries or a mapping of split names to such lists; an entry is a text, or a mapping
    with ``env`` (the secret) and perhaps ``agent`` (the briefing). Any other file has one secret a line; blank lines
    and those that begin with ``#`` are skipped. A malformed entry, or a secret with unprintable characters, is left
    out with a warning.

    Raises:
        ManifestError: the file cannot be read, is not UTF-8 text, is malformed, or holds no secret.
    """
    path = Path(path)
    try:
        text = file_text(path, "utf-8-sig")
    except OSError as error:
        raise ManifestError(f"{path} cannot be read ({error.strerror}): give the path of a word list.") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8.") from error
    entries = tuple(_entries_of_json(path, text) if path.suffix == ".json" else _entries_of_lines(text))
    found = tuple(dict.fromkeys(entry for entry in entries if isinstance(entry, Scenario)))
    faults = [entry for entry in entries if isinstance(entry, str)]
    if not found:
        raise ManifestError(f"{path} {faults[0] if faults else 'holds no secret: write one a line'}.")
    if faults:
        warnings.warn(f"{len(faults)} of {len(entries)} entries are left out, first: {path} {faults[0]}.", stacklevel=3)
    return found


def known_to_rules(
    scenarios: Sequence[Scenario],
    find: Callable[[str], str | None],
    path: str | os.PathLike[str],
    more_facts: str = "",
) -> tuple[Scenario, ...]:
    """Return the scenarios whose secrets the rules have facts about, and warn of those that are left out.

    Args:
        scenarios: what was read.
        find: the name that the rules have for a secret, None for none.
        path: where it was read from.
        more_facts: what to do for the rules to know more; empty for nothing.

    Raises:
        ManifestError: the rules know none of them.
    """
    pairs = ((scenario, find(scenario.secret)) for scenario in scenarios)
    known = tuple(dict.fromkeys(scenario._replace(secret=name) for scenario, name in pairs if name is not None))
    if not known:
        more = f"{more_facts}, or " if more_facts else ""
        raise ManifestError(
            f"The rules have no facts about any secret of {os.fspath(path)}: {more}give answerer= to play."
        )
    if len(known) < len(scenarios):
        more = f"{more_facts}, or " if more_facts else ""
        warnings.warn(
            f"{len(scenarios) - len(known)} of {len(scenarios)} secrets of {os.fspath(path)} are left out, because the "
            f"rules have no facts about them; among the other {len(known)} the game is easier, and results are not "
            f"comparable with published ones: {more}give answerer= to play them all.",
            stacklevel=3,
        )
    return known


def choose(scenarios: Sequence[Scenario], split: str, limit: int | None = None) -> tuple[Scenario, ...]:
    """Return the scenarios of a split (``all`` for every one), at most ``limit`` of them.

    Raises:
        ManifestError: no scenario is in that split.
    """
    chosen = tuple(s for s in scenarios if split in ("all", s.split))[:limit]
    if not chosen:
        names = ", ".join(sorted({s.split for s in scenarios}))
        raise ManifestError(f"There is nothing in the split {split!r}; choose among all, {names}.")
    return chosen


def _entries_of_lines(text: str) -> Iterable[Scenario | str]:
    """The scenarios of lines, in the place of a malformed one what is wrong with it."""
    for line in text.splitlines():
        secret = " ".join(line.split(" ")).strip()
        if secret and not secret.startswith("#"):
            yield _scenario(secret, "", "")


def _entries_of_json(path: Path, text: str) -> Iterable[Scenario | str]:
    try:
        content = read_json(text)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{path} is not JSON: {error}.") from error
    named = content if isinstance(content, Mapping) else {"": content}
    for split, entries in named.items():
        if not isinstance(entries, list):
            raise ManifestError(f"{path} must hold a list of secrets, or a mapping of split names to such lists.")
        for entry in entries:
            fields = entry if isinstance(entry, Mapping) else {"env": entry}
            secret, briefing = fields.get("env"), fields.get("agent", "")
            if not isinstance(secret, str) or not secret.strip() or not isinstance(briefing, str):
                yield f"has the entry {entry!r:.99}: write a text, or a mapping with env and agent"
            else:
                yield _scenario(secret.strip(), briefing.strip(), split)


def _scenario(secret: str, briefing: str, split: str) -> Scenario | str:
    if not secret.isprintable():
        return f"is no word list: {secret[:40]!r} has unprintable characters"
    return Scenario(secret, briefing, split or split_of(secret))
