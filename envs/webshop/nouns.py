"""The nouns of a product's title, which the reward compares: spaCy's where it is at hand, else a bundled tagger's."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from credit_gym.envs.webshop.streaming import members
from credit_gym.errors import ManifestError, MissingExtraError

NOUNS_FILE = "items_nouns.json"
SPACY_MODEL = "en_core_web_sm"

_WORD = re.compile(r"[^\W\d_]+")
_FUNCTION_WORDS = (
    "about above across after all also and any are around because been before behind below between both but can "
    "did does down each either every few for from had has have her here him his how into its just less made many "
    "more most much neither nor not now off once one only onto other our out over own per same she should since "
    "some such than that the their them then there these they this those through too under until upon very was "
    "were what when where which while who whose why will with within without you your"
)
_ADJECTIVES = (
    "adjustable available best big black blue breathable brown casual classic clear comfortable compatible cool "
    "dark deep different double dry durable easy elegant extra fast fine fit flat flexible free fresh full gentle "
    "good great green grey heavy high hot large light lightweight long loose low mini modern multi natural new "
    "old open organic original outdoor perfect pink plain portable premium professional pure purple quick ready "
    "real red rich round safe sensitive sexy sharp short simple skinny slim small smooth soft solid square strong "
    "super sweet thick thin tight ultra universal vintage warm waterproof wet white wide wireless yellow young"
)
_VERBS = "based designed featuring fits includes including made makes suitable used using"
_NO_NOUNS = frozenset(f"{_FUNCTION_WORDS} {_ADJECTIVES} {_VERBS}".split())


class Tagger(NamedTuple):
    """A way to find nouns.

    Attributes:
        name: what to call it in a record of how the nouns were found.
        nouns: title -> its nouns, lower-cased, in order, repeats included.
    """

    name: str
    nouns: Callable[[str], tuple[str, ...]]


class FoundNouns(NamedTuple):
    """The nouns of a data folder, by asin, and who found them."""

    tagger: str
    nouns: dict[str, tuple[str, ...]]


def bundled_nouns(title: str) -> tuple[str, ...]:
    """Return the words of a title that are longer than two letters and are not known to be something else than nouns.

    A published title is a heap of nouns, so naming what is none goes far; it is not a parser, and scores 0.05 to 0.1
    above or below spaCy's are to be expected where the titles of two products overlap in part.
    """
    words = (word.lower() for word in _WORD.findall(title))
    return tuple(word for word in words if len(word) > 2 and word not in _NO_NOUNS)


BUNDLED = Tagger("bundled", bundled_nouns)


def spacy_tagger(model: str = SPACY_MODEL) -> Tagger:
    """Return the tagger of the published environment.

    Raises:
        MissingExtraError: spaCy or the model is not installed.
    """
    try:
        pipeline: Any = importlib.import_module("spacy").load(model, disable=["parser", "ner", "lemmatizer"])
    except (ImportError, OSError) as error:
        raise MissingExtraError(f"spaCy cannot load {model}: pip install spacy and its model {model}.") from error

    def nouns(title: str) -> tuple[str, ...]:
        return tuple(token.text.lower() for token in pipeline(title) if token.pos_ in ("NOUN", "PROPN"))

    return Tagger(f"spacy {model} {pipeline.meta['version']}", nouns)


def best_tagger() -> Tagger:
    """Return spaCy's tagger where it is installed, else the bundled one."""
    try:
        return spacy_tagger()
    except MissingExtraError:
        return BUNDLED


def load_nouns(folder: Path) -> FoundNouns | None:
    """Return what ``items_nouns.json`` holds, None if there is no such file.

    Raises:
        ManifestError: the file is malformed.
    """
    path = folder / NOUNS_FILE
    if not path.exists():
        return None
    content = dict(members(path))
    tagger, nouns = content.get("tagger"), content.get("nouns")
    if not isinstance(tagger, str) or not isinstance(nouns, dict):
        raise ManifestError(f"{path} has no 'tagger' and 'nouns': write it again with credit_gym.envs.webshop.tag.")
    return FoundNouns(tagger, {asin: tuple(map(str, words)) for asin, words in nouns.items()})
