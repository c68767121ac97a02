"""Porter's stemmer with its author's later extensions: the one that Lucene's PorterStemFilter runs.

Porter (1980), "An algorithm for suffix stripping", Program 14(3); the extensions (``bli`` for ``abli``, ``logi``, words
of two letters left alone) are listed at https://tartarus.org/martin/PorterStemmer. Snowball's ``porter`` keeps the
published form and so stems other words; NLTK's MARTIN_EXTENSIONS mode agrees, at the price of all of NLTK.
"""

from __future__ import annotations

from collections.abc import Iterable

from credit_gym.envs.remembering import remember_short

_STEP_2 = {
    "ational": "ate",
    "tional": "tion",
    "enci": "ence",
    "anci": "ance",
    "izer": "ize",
    "bli": "ble",
    "alli": "al",
    "entli": "ent",
    "eli": "e",
    "ousli": "ous",
    "ization": "ize",
    "ation": "ate",
    "ator": "ate",
    "alism": "al",
    "iveness": "ive",
    "fulness": "ful",
    "ousness": "ous",
    "aliti": "al",
    "iviti": "ive",
    "biliti": "ble",
    "logi": "log",
}
_STEP_3 = {"icate": "ic", "ative": "", "alize": "al", "iciti": "ic", "ical": "ic", "ful": "", "ness": ""}
_STEP_4 = "al ance ence er ic able ible ant ement ment ent ion ou ism ate iti ous ive ize"


@remember_short(1 << 13, 40)
def stem(word: str) -> str:
    """Return the stem of a lower-case word.

    Args:
        word: any string; whatever is not one of ``aeiouy`` counts as a consonant.

    Returns:
        the stem, equal to ``word`` when that has at most two characters.
    """
    if len(word) <= 2:
        return word
    word = _without_plural(word)
    word = _without_past_or_gerund(word)
    if word.endswith("y") and "v" in _form(word[:-1]):
        word = word[:-1] + "i"
    word = _replace_suffix(word, _STEP_2)
    word = _replace_suffix(word, _STEP_3)
    return _without_final_e(_without_suffix(word))


def _form(word: str) -> str:
    """Each character as ``v`` (vowel) or ``c`` (consonant); ``y`` is a vowel after a consonant."""
    form = ""
    for letter in word:
        form += "v" if letter in "aeiou" or (letter == "y" and form.endswith("c")) else "c"
    return form


def _measure(word: str) -> int:
    """Porter's m: how many times a vowel is followed by a consonant."""
    return _form(word).count("vc")


def _is_short(word: str) -> bool:
    """Porter's *o: the word ends consonant, vowel, consonant, and the last is not w, x or y."""
    return _form(word).endswith("cvc") and word[-1] not in "wxy"


def _ends_double(word: str) -> bool:
    return word[-1:] == word[-2:-1] and _form(word).endswith("c")


def _without_plural(word: str) -> str:
    if word.endswith(("sses", "ies")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _without_past_or_gerund(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    suffix = next((suffix for suffix in ("ed", "ing") if word.endswith(suffix)), "")
    rest = word.removesuffix(suffix)
    if not suffix or "v" not in _form(rest):
        return word
    if rest.endswith(("at", "bl", "iz")):
        return rest + "e"
    if _ends_double(rest):
        return rest if rest[-1] in "lsz" else rest[:-1]
    return rest + "e" if _measure(rest) == 1 and _is_short(rest) else rest


def _longest_suffix(word: str, suffixes: Iterable[str]) -> str:
    return max((suffix for suffix in suffixes if word.endswith(suffix)), key=len, default="")


def _replace_suffix(word: str, replacements: dict[str, str]) -> str:
    suffix = _longest_suffix(word, replacements)
    rest = word.removesuffix(suffix)
    return rest + replacements[suffix] if suffix and _measure(rest) > 0 else word


def _without_suffix(word: str) -> str:
    suffix = _longest_suffix(word, _STEP_4.split())
    rest = word.removesuffix(suffix)
    if suffix == "ion" and not rest.endswith(("s", "t")):
        return word
    return rest if _measure(rest) > 1 else word


def _without_final_e(word: str) -> str:
    if word.endswith("e"):
        rest = word[:-1]
        measure = _measure(rest)
        if measure > 1 or (measure == 1 and not _is_short(rest)):
            word = rest
    return word[:-1] if word.endswith("ll") and _measure(word) > 1 else word
