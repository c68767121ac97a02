"""WebShop's search engine: BM25 as Lucene 8 computes it, in NumPy.

A document of L words that holds a query word tf times scores, for that word, ``w - w / (1 + tf * n(L))`` with

    w = qtf * idf,   idf = ln(1 + (N - df + 0.5) / (df + 0.5)),   n(L) = 1 / (k1 * (1 - b + b * L' / average L)),

in 32-bit floats; the words of a query add up in 64 bits and round to 32. L' is L as Lucene keeps it in one byte: four
significant bits above 24. Lucene ranks no two documents the same way without these roundings, so they are rules here
too. Equal scores are ordered by id. Source: Robertson and Zaragoza (2009), section 3, as in Lucene 8.11's
BM25Similarity and SmallFloat, with the parameters k1 = 0.9, b = 0.4 of Anserini's index that WebShop uses.

No library computes this: bm25s, rank_bm25 and tantivy keep other lengths and break ties otherwise.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import unicodedata
import warnings
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from credit_gym.data.foreign_text import file_bytes, open_file, read_json
from credit_gym.data.grouping import FloatArray, IntArray
from credit_gym.envs.remembering import remember_short
from credit_gym.envs.webshop import remembered
from credit_gym.envs.webshop.stemmer import stem
from credit_gym.envs.webshop.words import words

K1 = np.float32(0.9)
B = np.float32(0.4)
TOP = 50  # WebShop never shows more

_STOP_WORDS = (
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these they this "
    "to was will with"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())

_FORMAT = 1  # raise it when the same documents would give other arrays
_NO_TERM = -1
_LONGEST_QUERY = 20_000  # characters; nobody searches for what stands further back


def analyse(text: str) -> list[str]:
    """Return the search terms of a text: words without possessive, in lower case, without stop words, stemmed."""
    return [term for word in words(text) if (term := _term(word))]


@remember_short(1 << 13, 40)
def _term(word: str) -> str:
    """Term of a word, empty for a stop word."""
    if word[-1:] in ("s", "S") and word[-2:-1] in ("'", "\u2019", "\uff07"):
        word = word[:-2]
    # One character for one, as Java has it: no final sigma, no dot beside the Turkish i.
    lower = word.lower() if word.isascii() else "".join(letter.lower()[0] for letter in word)
    return "" if lower in STOP_WORDS else stem(lower)


@dataclass(frozen=True, eq=False)
class Postings:
    """An inverted index of N documents, V terms and P (term, document) pairs.

    Documents are numbered in the order of their ids, so that a smaller number wins a tie.

    Attributes:
        position: (N,) int32, place of each document in the sequence that was indexed.
        term: (V,) uint64, hashes of the terms, ascending.
        idf: (V,) float32.
        offsets: (V+1,) int64; term v owns the pairs ``offsets[v]:offsets[v+1]``.
        document: (P,) int32, ascending within a term.
        saturation: (P,) float32, ``1 + tf * n(L)`` of each pair.
    """

    position: npt.NDArray[np.int32]
    term: npt.NDArray[np.uint64]
    idf: npt.NDArray[np.float32]
    offsets: IntArray
    document: npt.NDArray[np.int32]
    saturation: npt.NDArray[np.float32]


class Index:
    """Answers queries over the postings of a catalogue; safe to share between threads.

    Pickling copies the arrays; processes that each call :func:`load_or_build` share them.
    """

    def __init__(self, postings: Postings) -> None:
        self.postings = postings
        self._top = remember_short(remembered.PAGES, remembered.LONGEST_QUERY)(self._rank)

    def __reduce__(self) -> tuple[type[Index], tuple[Postings]]:
        return Index, (self.postings,)

    def __len__(self) -> int:
        return self.postings.position.size

    def search(self, query: str, k: int = TOP) -> list[int]:
        """Return the best documents for a query.

        Args:
            query: free text; a repeated word counts that many times. Its first 20,000 characters are searched for.
            k: at most this many documents, 0 or more.

        Returns:
            their positions in the indexed sequence, best first, equal scores by id; only documents that hold at least
            one term of the query.
        """
        found: list[int] = (self._top(query, TOP)[:k] if k <= TOP else self._rank(query, k)).tolist()
        return found

    def scores(self, query: str) -> npt.NDArray[np.float32]:
        """Return the BM25 score of every document, (N,) float32 in the order of their ids, 0 where no term occurs."""
        postings = self.postings
        counts = Counter(analyse(query[:_LONGEST_QUERY]))
        hashes = np.array([_hash(term) for term in counts], dtype=np.uint64)
        places = np.searchsorted(postings.term, hashes)
        known = np.flatnonzero(places < postings.term.size)
        known = known[postings.term[places[known]] == hashes[known]]
        if not known.size:
            return np.zeros(len(self), dtype=np.float32)
        places = places[known]
        first, last = postings.offsets[places], postings.offsets[places + 1]
        pairs = [slice(*ends) for ends in zip(first.tolist(), last.tolist(), strict=True)]
        weight = np.fromiter(counts.values(), dtype=np.float32, count=len(counts))[known] * postings.idf[places]
        weight = np.repeat(weight, last - first)
        gain = weight - weight / np.concatenate([postings.saturation[pair] for pair in pairs])
        total = np.bincount(np.concatenate([postings.document[pair] for pair in pairs]), gain, minlength=len(self))
        return total.astype(np.float32)

    def _rank(self, query: str, k: int) -> npt.NDArray[np.int32]:
        scores = self.scores(query)
        found = np.flatnonzero(scores)
        if found.size > k:
            least = np.partition(scores[found], found.size - k)[found.size - k]
            found = found[scores[found] >= least]
        best = found[np.argsort(-scores[found], kind="stable")][:k]
        return self.postings.position[best]  # what is remembered takes a few bytes a hit


def build_index(documents: Sequence[str], ids: Sequence[str] | None = None) -> Index:
    """Index some documents in memory.

    Args:
        documents: one text per product.
        ids: one id per document, by which equal scores are ordered; their positions when omitted.

    Raises:
        ValueError: there is not one id per document.
    """
    return Index(_postings(documents, _order(documents, ids)))


def load_or_build(documents: Sequence[str], cache_dir: Path | None = None, ids: Sequence[str] | None = None) -> Index:
    """Return the index of some documents, memory-mapped from a cache where it is built but once.

    The cache holds one ``.npy`` file per array and a ``.json`` file with their digests, named by a hash of all that the
    arrays depend on. Every file appears whole or not at all, written last comes the one with the digests, and all who
    build the same index write the same bytes: processes may race. A file that is missing or damaged is written anew.

    Args:
        documents: one text per product.
        cache_dir: where to keep it; by default ``credit_gym/webshop`` in the user's cache folder (XDG_CACHE_HOME).
        ids: as in :func:`build_index`.

    Raises:
        ValueError: there is not one id per document.
    """
    order = _order(documents, ids)
    folder = _user_cache() if cache_dir is None else cache_dir
    key = _content_key(documents, order)
    cached = _load(folder, key)
    if cached is not None:
        return Index(cached)
    postings = _postings(documents, order)
    try:
        _save(postings, folder, key)
    except OSError as error:
        warnings.warn(f"The search index stays in memory: {folder} cannot be written ({error}).", stacklevel=2)
        return Index(postings)
    return Index(_load(folder, key) or postings)


def _order(documents: Sequence[str], ids: Sequence[str] | None) -> npt.NDArray[np.int32]:
    """Positions of the documents in the order of their ids."""
    if ids is None:
        return np.arange(len(documents), dtype=np.int32)
    if len(ids) != len(documents):
        raise ValueError(f"Give one id per document: there are {len(ids)} ids for {len(documents)} documents.")
    return np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.int32)


class _Vocabulary(dict[str, int]):
    """Number of the term of each word as it is written; words that share a term share its number."""

    def __init__(self) -> None:
        self.terms: dict[str, int] = {}

    def __missing__(self, word: str) -> int:
        term = _term(word)
        number = self.terms.setdefault(term, len(self.terms)) if term else _NO_TERM
        self[word] = number
        return number


def _postings(documents: Sequence[str], order: npt.NDArray[np.int32]) -> Postings:
    vocabulary = _Vocabulary()
    numbers, frequencies = array("i"), array("i")  # one entry per pair: 100,000 products make ten million
    sizes, lengths = np.zeros(order.size, dtype=np.int64), np.zeros(order.size, dtype=np.int64)
    for row, position in enumerate(order.tolist()):
        counts = Counter(map(vocabulary.__getitem__, words(documents[position])))
        counts.pop(_NO_TERM, None)
        sizes[row], lengths[row] = len(counts), counts.total()
        numbers.extend(counts)
        frequencies.extend(counts.values())

    hashes = np.fromiter(map(_hash, vocabulary.terms), dtype=np.uint64, count=len(vocabulary.terms))
    term, rank = np.unique(hashes, return_inverse=True)
    if term.size < hashes.size:
        raise ValueError("Two terms share a 64-bit hash: lengthen _hash.")
    place = rank.astype(np.int32)[np.frombuffer(numbers, dtype=np.intc)]
    frequency: IntArray = np.bincount(place, minlength=term.size)
    by_term = np.argsort(place, kind="stable")
    del numbers, place  # the peak of memory is here
    document = np.repeat(np.arange(order.size, dtype=np.int32), sizes)[by_term]
    saturation = np.frombuffer(frequencies, dtype=np.intc).astype(np.float32)[by_term]
    saturation *= _length_factors(lengths)[document]
    saturation += 1
    return Postings(
        position=order,
        term=term,
        idf=_idf(frequency, int(np.count_nonzero(lengths))),
        offsets=np.concatenate(([0], np.cumsum(frequency))),
        document=document,
        saturation=saturation,
    )


def _hash(term: str) -> int:
    """64 bits that stand for a term, the same in every process."""
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=8).digest(), "little")


def _idf(document_frequency: IntArray, count: int) -> npt.NDArray[np.float32]:
    idf: FloatArray = np.log(1 + (count - document_frequency + 0.5) / (document_frequency + 0.5))
    return idf.astype(np.float32)


def _length_factors(lengths: IntArray) -> npt.NDArray[np.float32]:
    """n(L) of each document, from lengths kept in one byte and their exact mean over the documents with any term."""
    average = np.float32(lengths.sum() / max(np.count_nonzero(lengths), 1))
    kept = _one_byte(lengths).astype(np.float32)
    factors: npt.NDArray[np.float32] = np.float32(1) / (
        K1 * ((np.float32(1) - B) + B * kept / max(average, np.float32(1)))
    )
    return factors


def _one_byte(lengths: IntArray) -> IntArray:
    """Lengths as Lucene's SmallFloat.intToByte4 keeps them: exact to 24, beyond that 4 significant bits of the rest."""
    rest = np.maximum(lengths - 24, 0)
    shift = np.maximum(np.frexp(rest)[1] - 4, 0)
    kept: IntArray = np.minimum(lengths, 24) + (rest >> shift << shift)
    return kept


def _user_cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "credit_gym" / "webshop"


def _content_key(documents: Sequence[str], order: npt.NDArray[np.int32]) -> str:
    """Hash of whatever the postings depend on, Python's Unicode tables included."""
    digest = hashlib.blake2b(f"{_FORMAT} {unicodedata.unidata_version} {len(documents)}".encode(), digest_size=16)
    digest.update(order.astype("<i4").tobytes())
    for document in documents:
        data = document.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def _save(postings: Postings, folder: Path, key: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    digests = {}
    for field in fields(Postings):
        path = folder / f"{key}.{field.name}.npy"
        with _replacing(path) as file:
            np.save(file, getattr(postings, field.name), allow_pickle=False)
        digests[field.name] = _digest(path)
    with _replacing(folder / f"{key}.json") as file:
        file.write(json.dumps(digests).encode())


def _load(folder: Path, key: str) -> Postings | None:
    """The cached postings, memory-mapped; None if they are missing or damaged."""
    arrays: dict[str, Any] = {}
    try:
        digests = read_json(file_bytes(folder / f"{key}.json"))
        for field in fields(Postings):
            path = folder / f"{key}.{field.name}.npy"
            if _digest(path) != digests[field.name]:
                return None
            arrays[field.name] = np.load(path, mmap_mode="r", allow_pickle=False).view(np.ndarray)
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return Postings(**arrays)


def _digest(path: Path) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file that takes the name ``path`` in one step, once it is written."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        try:
            yield file
            file.flush()
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
