"""The nouns of WordNet, read from its database files where they are asked for.

``index.noun`` has a word a line, sorted, with the byte offsets of its senses in ``data.noun``, the commonest first; a
line of ``data.noun`` is a synset: its offset, the number of its lexicographer file, its words, pointers to other
synsets, and after a bar its gloss (manual page ``wndb(5WN)``). ``noun.exc`` has irregular plurals. Debian's package
``wordnet-base`` and NLTK's corpus ``wordnet`` hold the same files.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from credit_gym.data.foreign_text import open_file
from credit_gym.errors import ManifestError

VARIABLE = "WORDNET_DIR"
HOW_TO_GET_IT = (
    f"install WordNet's files (Debian's package wordnet-base, or NLTK's corpus wordnet) and, unless they are where "
    f"these put them, set {VARIABLE} to their folder"
)
FILES = (
    "adj all", "adj pert", "adv all", "Tops", "act", "animal", "artifact", "attribute", "body", "cognition",
    "communication", "event", "feeling", "food", "group", "location", "motive", "object", "person", "phenomenon",
    "plant", "possession", "process", "quantity", "relation", "shape", "state", "substance", "time",
)  # fmt: skip
"""Names of the lexicographer files by number."""

_ENDINGS = (("ies", "y"), ("ves", "f"), ("men", "man"), ("ses", "s"), ("xes", "x"), ("zes", "z"), ("ches", "ch"),
            ("shes", "sh"), ("s", ""))  # fmt: skip
_USUAL = ("/usr/share/wordnet", "/usr/share/nltk_data/corpora/wordnet", "~/nltk_data/corpora/wordnet")


class Synset(NamedTuple):
    """Words that mean the same.

    Attributes:
        offset: its place in ``data.noun``, which names it.
        file: name of its lexicographer file, such as ``animal``.
        words: what it is called, as WordNet spells it, with blanks.
        above: offsets of what it is a kind of.
        instance: whether it is one certain thing, such as Paris.
        gloss: its definition, without examples.
    """

    offset: int
    file: str
    words: tuple[str, ...]
    above: tuple[int, ...]
    instance: bool
    gloss: str


def wordnet_folder() -> Path | None:
    """Return the folder of WordNet's files: ``WORDNET_DIR``, or where packages put them; None where there is none.

    ``WORDNET_DIR`` set to nothing means that there is none.

    Raises:
        ManifestError: ``WORDNET_DIR`` is set to a folder that does not hold them.
    """
    named = os.environ.get(VARIABLE)
    for folder in _USUAL if named is None else [named] if named else []:
        found = Path(folder).expanduser()
        if (found / "data.noun").is_file() and (found / "index.noun").is_file():
            return found
    if named:
        raise ManifestError(f"{VARIABLE} is {named}, which has no data.noun and index.noun: {HOW_TO_GET_IT}.")
    return None


class WordNet:
    """Looks nouns up.

    Args:
        folder: where ``index.noun`` and ``data.noun`` lie.

    Raises:
        ManifestError: they cannot be read.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._index, self._data = self._bytes("index.noun").splitlines(), self._bytes("data.noun")
        self._known: dict[int, Synset] = {}

    def senses(self, word: str) -> tuple[Synset, ...]:
        """Return the synsets of a word, the commonest sense first; of its singular where only that is known.

        Blanks and hyphens may be missing: "lightyear" is "light year".
        """
        plain = "_".join(word.casefold().split())
        for spelling in self._spellings(plain):
            offsets = self._offsets(spelling)
            if offsets:
                return tuple(map(self.synset, offsets))
        return ()

    def synset(self, offset: int) -> Synset:
        """Return the synset at an offset.

        Raises:
            ManifestError: there is none.
        """
        if offset not in self._known:
            end = self._data.find(b"\n", offset)
            line = self._data[offset : end if end >= 0 else len(self._data)].decode("utf-8", "replace")
            try:
                self._known[offset] = _synset(line, offset)
            except (ValueError, IndexError) as error:
                raise ManifestError(
                    f"{self.folder / 'data.noun'} has no synset at byte {offset}: {HOW_TO_GET_IT}."
                ) from error
        return self._known[offset]

    def upward(self, synset: Synset) -> Iterator[tuple[Synset, ...]]:
        """Yield a synset, what it is a kind of, what that is a kind of, and so on; each once."""
        level: tuple[Synset, ...] = (synset,)
        seen = {synset.offset}
        while level:
            yield level
            above = dict.fromkeys(offset for each in level for offset in each.above if offset not in seen)
            seen |= above.keys()
            level = tuple(map(self.synset, above))

    def _spellings(self, word: str) -> Iterator[str]:
        yield word
        if "-" in word:
            yield from (word.replace("-", "_"), word.replace("-", ""))
        if "_" in word:
            yield from (word.replace("_", "-"), word.replace("_", ""))
        yield from (single for single in (self._exceptions.get(word),) if single)
        yield from (word.removesuffix(end) + new for end, new in _ENDINGS if word.endswith(end) and len(word) > 3)
        if word.isalpha():
            yield from (f"{word[:at]}{joint}{word[at:]}" for at in range(2, len(word) - 1) for joint in "_-")

    @cached_property
    def _exceptions(self) -> dict[str, str]:
        if not (self.folder / "noun.exc").is_file():
            return {}
        lines = self._bytes("noun.exc").decode("utf-8", "replace").splitlines()
        return {said[0]: said[1] for line in lines if len(said := line.split()) > 1}

    def _offsets(self, word: str) -> tuple[int, ...]:
        key = word.encode() + b" "
        at = bisect_left(self._index, key)
        if at == len(self._index) or not self._index[at].startswith(key):
            return ()
        fields = self._index[at].split()
        try:
            return tuple(int(field) for field in fields[-int(fields[2]) :])
        except (ValueError, IndexError) as error:
            raise ManifestError(f"{self.folder / 'index.noun'} is malformed at {word!r}: {HOW_TO_GET_IT}.") from error

    def _bytes(self, name: str) -> bytes:
        try:
            with open_file(self.folder / name) as file:
                return file.read()
        except OSError as error:
            raise ManifestError(f"{self.folder / name} cannot be read ({error.strerror}): {HOW_TO_GET_IT}.") from error


def _synset(line: str, offset: int) -> Synset:
    head, _, gloss = line.partition("|")
    fields = head.split()
    if int(fields[0]) != offset:
        raise ValueError(line)
    count = int(fields[3], 16)
    words = tuple(word.replace("_", " ") for word in fields[4 : 4 + 2 * count : 2])
    pointers = fields[5 + 2 * count :]
    kinds = [(pointers[at], int(pointers[at + 1])) for at in range(0, len(pointers) - 3, 4) if pointers[at][0] == "@"]
    if len(words) < count:
        raise ValueError(line)
    return Synset(
        offset, FILES[int(fields[1])], words, tuple(target for _, target in kinds),
        any(symbol == "@i" for symbol, _ in kinds), gloss.partition('"')[0].strip(" ;"),
    )  # fmt: skip
