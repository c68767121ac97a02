"""Whether problems for training and for evaluation overlap: a gate in front of every claim about the latter."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from credit_gym.errors import CreditGymError

_WORDS = re.compile(r"[^\W_]+")


class Overlap(NamedTuple):
    """One pair of problems that say the same.

    Attributes:
        train: id of the one for training.
        held_out: id of the one for evaluation.
        shared: share of the held-out problem's n-grams that the other has too, 1.0 for the same text.
    """

    train: str
    held_out: str
    shared: float


def normalised_words(text: str) -> tuple[str, ...]:
    """Return the words and numbers of a text, whatever their case, form (NFKC), spacing and punctuation."""
    return tuple(_WORDS.findall(unicodedata.normalize("NFKC", text).casefold()))


def find_overlaps(
    train: Mapping[str, str], held_out: Mapping[str, str], *, n: int = 13, share: float = 0.5
) -> list[Overlap]:
    """Return the pairs whose normalised texts are equal, or share much of their word n-grams.

    Args:
        train: id -> text.
        held_out: id -> text.
        n: words in an n-gram. Brown et al. (2020, arXiv 2005.14165, appendix C) took 13. Texts that are shorter must be
            equal.
        share: pairs below this share of the held-out problem's n-grams are no overlap, in (0, 1].

    Raises:
        CreditGymError: n or share is out of range.
    """
    if n < 1 or not 0.0 < share <= 1.0:
        raise CreditGymError(f"n must be at least 1 and share in (0, 1], not {n} and {share}.")
    owners: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for id, text in train.items():
        words = normalised_words(text)
        for gram in {words, *_grams(words, n)}:
            owners[gram].append(id)
    found = []
    for id, text in held_out.items():
        words = normalised_words(text)
        grams = _grams(words, n) or {words}
        counts: defaultdict[str, int] = defaultdict(int)
        for gram in grams:
            for owner in owners.get(gram, ()):
                counts[owner] += 1
        found += [Overlap(own, id, count / len(grams)) for own, count in counts.items() if count >= share * len(grams)]
    return found


def require_disjoint(train: Mapping[str, str], held_out: Mapping[str, str], *, n: int = 13, share: float = 0.5) -> None:
    """Refuse problems for training that overlap with those for evaluation.

    Raises:
        CreditGymError: they do; the sentence says how many and names the first.
    """
    overlaps = find_overlaps(train, held_out, n=n, share=share)
    if overlaps:
        first: Sequence[object] = overlaps[0]
        raise CreditGymError(
            f"{len({o.held_out for o in overlaps})} held-out problems overlap with the problems played, first "
            f"{first[1]} with {first[0]}: remove them from one of the two."
        )


def _grams(words: tuple[str, ...], n: int) -> set[tuple[str, ...]]:
    return {words[start : start + n] for start in range(len(words) - n + 1)}
