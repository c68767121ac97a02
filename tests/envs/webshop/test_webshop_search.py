"""WebShop's search engine: words, stems, and a ranking that a slow, obviously right reference repeats."""

from __future__ import annotations

import math
import os
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.envs.webshop import search
from credit_gym.envs.webshop.search import STOP_WORDS, Index, analyse, build_index, load_or_build
from credit_gym.envs.webshop.stemmer import stem
from credit_gym.envs.webshop.words import LONGEST, words

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
THUMB, TONE, FIRE = "\U0001f44d", "\U0001f3fd", "\U0001f525"
FRANCE = "\U0001f1eb\U0001f1f7"
SCOTLAND = "\U0001f3f4\ufe0f" + "".join(chr(0xE0000 + ord(c)) for c in "gbsct") + "\U000e007f"

# The columns were written by Lucene 8.11's own StandardTokenizer.
WORDS = {
    "Queen-size bed, 5.5 inch (pack of 2)": ["Queen", "size", "bed", "5.5", "inch", "pack", "of", "2"],
    "men's can't ' rock 'n' roll'": ["men's", "can't", "rock", "n", "roll"],
    "l'objectif aujourd\u2019hui": ["l'objectif", "aujourd\u2019hui"],
    "$1,234.50 3/4 1.2.3. a.b.c. a:b 1:2 a,b": ["1,234.50", "3", "4", "1.2.3", "a.b.c", "a:b", "1", "2", "a", "b"],
    "snake_case _x_ ___ 4k_tv": ["snake_case", "_x_", "4k_tv"],
    "\u4eba\u53c2 tea\u8336 \u3072\u3089 \u30ab\u30bf\u30ab\u30ca \ud55c\uad6d\uc5b4": [
        *("\u4eba", "\u53c2", "tea", "\u8336", "\u3072", "\u3089", "\u30ab\u30bf\u30ab\u30ca", "\ud55c\uad6d\uc5b4"),
    ],
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u0e51\u0e52": ["\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\u0e51\u0e52"],
    f"Sony\u00ae tv\u2122 \u00a9 {FIRE}hot{FIRE}{FIRE}": [
        "Sony",
        "\u00ae",
        "tv",
        "\u2122",
        "\u00a9",
        FIRE,
        "hot",
        FIRE,
        FIRE,
    ],
    f"{FAMILY}{THUMB}{TONE}{FRANCE}{FRANCE}{SCOTLAND}": [FAMILY, THUMB + TONE, FRANCE, FRANCE, SCOTLAND],
    "#\ufe0f\u20e3 1\ufe0f\u20e3 # *": ["#\ufe0f\u20e3", "1\ufe0f\u20e3"],
    f"{FIRE}\ufe0f\u2764\ufe0e{FIRE}{TONE}": [FIRE + "\ufe0f", "\u2764", FIRE, TONE],
    "10m\u00b2 \u00bd \u2460 caf\u00e9 cafe\u0301 na\u00adive": ["10m", "caf\u00e9", "cafe\u0301", "na\u00adive"],
    '\u05e6\u05d4\u05f4\u05dc \u05e6\u05d4"\u05dc \u05d2\' a"b': [
        "\u05e6\u05d4\u05f4\u05dc",
        '\u05e6\u05d4"\u05dc',
        "\u05d2'",
        "a",
        "b",
    ],
    "\u2139\ufe0f info \u24c2ega \U0001f170\u200d" + FIRE: [
        "\u2139\ufe0f",
        "info",
        "\u24c2ega",
        "\U0001f170\u200d" + FIRE,
    ],
    "\uff11\uff12\uff33\uff34 a\u200bb a\u00a0b \ud800": ["\uff11\uff12\uff33\uff34", "a", "b", "a", "b"],
    "": [],
}


@pytest.mark.parametrize(("text", "expected"), WORDS.items())
def test_words_are_those_of_lucene(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text(max_size=60))
def test_words_are_disjoint_pieces_of_the_text_in_order(text: str) -> None:
    position = 0
    for word in words(text):
        assert word
        position = text.index(word, position) + len(word)


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_line_break_ends_every_word(left: str, right: str) -> None:
    assert words(f"{left}\n\x01{right}") == words(left) + words("\x01" + right)


def test_long_words_are_cut_and_the_cut_never_begins_with_punctuation() -> None:
    assert words("a" * 600) == ["a" * 255, "a" * 255, "a" * 90]
    assert words("a" * 254 + "." + "b" * 9) == ["a" * 254, "b" * 9]
    assert words("_" * 300 + "a") == ["_" * (LONGEST - 1) + "a"]


@pytest.mark.parametrize(
    "unit", ["_", "\u200d", "a.", "_\u0301", f"{FIRE}\u200d", "\u2139\ufe0f\u200d", "\u05d0'", "#\u0301"]
)
def test_hostile_repetition_is_read_in_linear_time(unit: str) -> None:
    """Counted in characters of answer, not in seconds: a quadratic scan of this length would never come back."""
    assert sum(map(len, words(unit * 100_000))) <= len(unit) * 100_000


# Examples of the rules in Porter (1980), and of the later extensions, as Lucene's PorterStemFilter answers them.
STEMS = """
caresses caress  ponies poni  ties ti  caress caress  cats cat  feed feed  agreed agre  plastered plaster
bled bled  motoring motor  sing sing  conflated conflat  troubled troubl  sized size  hopping hop  tanned tan
falling fall  hissing hiss  fizzed fizz  failing fail  filing file  happy happi  sky sky  relational relat
conditional condit  rational ration  valenci valenc  hesitanci hesit  digitizer digit  conformabli conform
radicalli radic  differentli differ  vileli vile  analogousli analog  vietnamization vietnam
predication predic  operator oper  feudalism feudal  decisiveness decis  hopefulness hope  callousness callous
formaliti formal  sensitiviti sensit  sensibiliti sensibl  triplicate triplic  formative form  formalize formal
electriciti electr  electrical electr  hopeful hope  goodness good  revival reviv  allowance allow
inference infer  airliner airlin  gyroscopic gyroscop  adjustable adjust  defensible defens  irritant irrit
replacement replac  adjustment adjust  dependent depend  adoption adopt  homologou homolog  communism commun
activate activ  angulariti angular  homologous homolog  effective effect  bowdlerize bowdler  probate probat
rate rate  cease ceas  controll control  roll roll  possibly possibl  archaeology archaeolog  as as  is is
yoyo yoyo  syzygy syzygi  oils oil  batteries batteri  5ing 5ing
"""


@pytest.mark.parametrize(("word", "expected"), list(zip(STEMS.split()[::2], STEMS.split()[1::2], strict=True)))
def test_stems_follow_porter_with_his_extensions(word: str, expected: str) -> None:
    assert stem(word) == expected


def test_analysis_drops_possessives_and_stop_words_and_lowers_one_character_for_one() -> None:
    assert analyse("The Women's, men\u2019S and dogs\uff07s BEDS") == ["women", "men", "dog", "bed"]
    assert analyse("\u0130stanbul \u039f\u03a3") == ["istanbul", "\u03bf\u03c3"]
    assert analyse(" ".join(STOP_WORDS)) == []
    assert len(STOP_WORDS) == 33


def byte4(length: int) -> int:
    """A length through Lucene's SmallFloat.intToByte4 and back, written as the format is described."""
    if length < 24:
        return length
    rest = length - 24
    lost = max(rest.bit_length() - 4, 0)
    return 24 + (rest >> lost) * 2**lost


def test_lengths_are_exact_to_forty_and_then_keep_four_bits() -> None:
    lengths = np.arange(100_000)
    kept = search._one_byte(lengths)
    assert kept[:41].tolist() == list(range(41))
    assert [byte4(n) for n in (41, 42, 55, 57, 100, 1000)] == [40, 42, 54, 56, 96, 984]
    assert kept.tolist() == [byte4(n) for n in lengths.tolist()]
    assert len(set(kept.tolist())) < 256


class Reference:
    """BM25 of the module's formula, one document and one word at a time, in Lucene's 32-bit steps."""

    def __init__(self, documents: Sequence[str], ids: Sequence[str]) -> None:
        self.ids = ids
        self.bags = [Counter(analyse(document)) for document in documents]
        self.df = Counter(term for bag in self.bags for term in bag)
        self.count = sum(bag.total() > 0 for bag in self.bags)
        self.average = np.float32(sum(bag.total() for bag in self.bags) / max(self.count, 1))

    def score(self, bag: Counter[str], query: Counter[str]) -> float:
        one, k1, b = np.float32(1), np.float32(0.9), np.float32(0.4)
        total = 0.0
        for term, repeats in query.items():
            if bag[term]:
                idf = math.log(1 + (self.count - self.df[term] + 0.5) / (self.df[term] + 0.5))
                weight = np.float32(repeats) * np.float32(idf)
                inverse = one / (k1 * ((one - b) + b * np.float32(byte4(bag.total())) / self.average))
                total += float(weight - weight / (one + np.float32(bag[term]) * inverse))
        return float(np.float32(total))

    def search(self, query: str, k: int = 50) -> list[int]:
        terms = Counter(analyse(query))
        scored = [(-self.score(bag, terms), self.ids[i], i) for i, bag in enumerate(self.bags)]
        return [i for score, _, i in sorted(scored) if score < 0][:k]


SYLLABLES = "ba co di fe gu ha lo mi na po ra se ti vu ing ed tion ness s ies ly er al"
ODD = [
    "women's",
    "men\u2019s",
    "5.5",
    "100%",
    "t-shirt",
    "3/4",
    "\u00ae",
    "\u4eba\u53c2",
    "caf\u00e9",
    FIRE,
    "the",
    "of",
    "and",
    "not",
]


def catalogue(size: int, seed: int) -> tuple[list[str], list[str], list[str]]:
    """Texts of products, some of them twins and some empty; their ids in no order; queries."""
    random = Random(seed)
    vocabulary = ODD + ["".join(random.choices(SYLLABLES.split(), k=random.randint(1, 3))) for _ in range(600)]

    def text(length: int) -> str:
        return " ".join(vocabulary[int(len(vocabulary) ** random.random()) - 1] for _ in range(length))

    documents: list[str] = []
    for _ in range(size):
        twin = documents and random.random() < 0.1
        documents.append(random.choice(documents) if twin else text(int(random.lognormvariate(3.2, 0.9)) - 2))
    ids = [f"B{number:09X}" for number in random.sample(range(16**9), size)]
    return documents, ids, [text(random.choice((1, 2, 4, 15))) for _ in range(40)]


@pytest.mark.parametrize("size", [1, 200, 1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_ranking_is_the_reference_s(size: int) -> None:
    documents, ids, queries = catalogue(size, seed=size)
    index, slow = build_index(documents, ids), Reference(documents, ids)
    for query in queries:
        assert index.search(query) == slow.search(query)
        assert index.search(query, k=70) == slow.search(query, k=70)


TEXT = st.lists(
    st.sampled_from(["red", "bed", "beds", "Red's", "the", "queen", "\u4eba", FIRE, "5.5"]), max_size=40
).map(" ".join)


@given(st.lists(TEXT, max_size=8), TEXT, st.integers(0, 60))
def test_ranking_of_any_small_catalogue_is_the_reference_s(documents: list[str], query: str, k: int) -> None:
    ids = [str(number) for number in range(len(documents))]
    assert build_index(documents).search(query, k) == Reference(documents, ids).search(query, k)


def test_a_hand_worked_score() -> None:
    """Two documents of 2 and 4 words, one match: idf = ln(1 + 1.5/1.5), n = 1 / (0.9 (0.6 + 0.4 * 2/3))."""
    index = build_index(["red bed", "blue sofa blue lamp"])
    n = 1 / (0.9 * (0.6 + 0.4 * 2 / 3))
    assert index.scores("red") == pytest.approx([math.log(2) * (1 - 1 / (1 + n)), 0], rel=1e-6)
    assert index.scores("red red bed")[0] == pytest.approx(3 * math.log(2) * (1 - 1 / (1 + n)), rel=1e-6)


def test_ties_are_broken_by_id_and_by_position_without_ids() -> None:
    assert build_index(["red bed"] * 3).search("bed") == [0, 1, 2]
    assert build_index(["red bed"] * 3, ids=["B2", "B10", "B1"]).search("bed") == [2, 1, 0]
    assert len(build_index(["bed"] * 80).search("bed")) == 50


def test_queries_without_any_known_term_find_nothing() -> None:
    for documents in ([], [""], ["the of"], ["red bed"]):
        for query in ("", "the", "sofa", "[]&<>", "\ud800", "\0"):
            assert build_index(documents).search(query) == []


def test_an_answer_is_the_caller_s_own() -> None:
    index = build_index(["red bed", "bed"])
    index.search("bed").clear()
    assert index.search("bed") == [1, 0]


def test_every_document_needs_an_id() -> None:
    with pytest.raises(ValueError, match="one id per document"):
        build_index(["a", "b"], ids=["B1"])


def test_an_index_survives_pickling() -> None:
    documents, ids, queries = catalogue(50, seed=3)
    index = build_index(documents, ids)
    copy: Index = pickle.loads(pickle.dumps(index))
    assert [copy.search(query) for query in queries] == [index.search(query) for query in queries]


DOCUMENTS, IDS, QUERIES = catalogue(120, seed=5)
ANSWERS = [build_index(DOCUMENTS, IDS).search(query) for query in QUERIES]


def answers(folder: Path) -> list[list[int]]:
    index = load_or_build(DOCUMENTS, folder, IDS)
    return [index.search(query) for query in QUERIES]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_cached_index_answers_as_a_built_one_and_is_not_written_twice(tmp_path: Path) -> None:
    assert answers(tmp_path) == ANSWERS
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert answers(tmp_path) == ANSWERS
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_the_arrays_of_a_cached_index_are_mapped_from_its_files(tmp_path: Path) -> None:
    mapped = load_or_build(DOCUMENTS, tmp_path).postings.document
    assert not mapped.flags.owndata
    assert not mapped.flags.writeable


def test_other_documents_or_ids_have_other_caches(tmp_path: Path) -> None:
    variants = [
        (["ab", "c"], None),
        (["a", "bc"], None),
        (["ab", "c"], ["2", "1"]),
        (["ab"], None),
        ([], None),
        (["\ud800"], None),
    ]
    for documents, ids in variants:
        load_or_build(documents, tmp_path, ids)
    assert len(list(tmp_path.glob("*.json"))) == len(variants)


def test_a_damaged_cache_is_built_anew(tmp_path: Path) -> None:
    answers(tmp_path)
    whole = contents(tmp_path)
    for name, data in whole.items():
        for damaged in (b"", data[: len(data) // 2], data[:-1] + bytes([data[-1] ^ 1]), None):
            (tmp_path / name).unlink() if damaged is None else (tmp_path / name).write_bytes(damaged)
            assert answers(tmp_path) == ANSWERS
            assert contents(tmp_path) == whole


@pytest.mark.parametrize("manifest", [b"[]", b"null", b"{}", b"\xff"])
def test_a_foreign_manifest_is_replaced(tmp_path: Path, manifest: bytes) -> None:
    answers(tmp_path)
    (path,) = tmp_path.glob("*.json")
    whole = path.read_bytes()
    path.write_bytes(manifest)
    assert answers(tmp_path) == ANSWERS
    assert path.read_bytes() == whole


def test_without_a_writable_folder_the_index_stays_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.warns(UserWarning, match="stays in memory"):
        assert answers(tmp_path / "file") == ANSWERS


def test_the_default_folder_is_the_user_s_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    load_or_build(["red bed"])
    assert list((tmp_path / "credit_gym" / "webshop").glob("*.json"))


@pytest.mark.slow
def test_processes_that_race_write_the_same_bytes_and_leave_nothing_else(tmp_path: Path) -> None:
    """Three processes with other hash seeds build one index at once."""
    racer = "import test_webshop_search as t; assert t.answers(t.Path(t.sys.argv[1])) == t.ANSWERS"
    here = str(Path(__file__).parent)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", racer, str(tmp_path)], cwd=here, env={**os.environ, "PYTHONHASHSEED": seed}
        )
        for seed in ("1", "2", "3")
    ]
    assert [process.wait() for process in racers] == [0, 0, 0]
    raced = contents(tmp_path)
    for path in tmp_path.iterdir():
        path.unlink()
    answers(tmp_path)
    assert contents(tmp_path) == raced
