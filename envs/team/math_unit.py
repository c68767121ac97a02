r"""Units of answers: what stands behind a number, in one form for every spelling.

A unit may be left out on either side. Where both sides name one it must be the same: 5 m are not 5 km, 5 cents not 5
dollars, 12 apples not 12 pears. Nothing is converted: who is asked for kilometres and says 5000 m has not answered.
"""

from __future__ import annotations

import re

_SPELLINGS = {
    "millimetre": "mm millimeter millimetre", "centimetre": "cm centimeter centimetre", "metre": "m meter metre",
    "kilometre": "km kilometer kilometre", "inch": "in inch inches", "foot": "ft foot feet", "yard": "yd yard",
    "mile": "mi mile", "milligram": "mg milligram", "gram": "g gm gram", "kilogram": "kg kilo kilogram",
    "tonne": "t ton tonne", "ounce": "oz ounce", "pound": "lb lbs pound £ GBP",
    "millilitre": "ml mL milliliter millilitre",
    "litre": "l L liter litre", "gallon": "gal gallon", "quart": "qt quart", "pint": "pt pint", "cup": "cup",
    "second": "s sec second", "minute": "min minute", "hour": "h hr hour", "day": "d day", "week": "wk week",
    "month": "month", "year": "yr year", "degree": "° deg degree \\circ", "radian": "rad radian",
    "celsius": "°C C celsius", "fahrenheit": "°F F fahrenheit", "kelvin": "K kelvin", "percent": "% percent percentage",
    "dollar": "$ USD dollar buck", "cent": "¢ cent", "euro": "€ EUR euro", "yen": "¥ JPY yen",
    "rupee": "₹ Rs INR rupee", "yuan": "元 CNY RMB yuan", "newton": "N newton", "joule": "J joule",
    "watt": "W watt", "kilowatt": "kW kilowatt",
    "volt": "V volt", "ampere": "A amp ampere", "hertz": "Hz hertz", "acre": "acre", "hectare": "ha hectare",
}  # fmt: skip
_CANONICAL = {spelling: name for name, all_of_it in _SPELLINGS.items() for spelling in all_of_it.split()}
_SHORT_FORMS = {"mph": "mile/hour", "kph": "km/h", "kmh": "km/h", "kmph": "km/h", "fps": "ft/s"}
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_AFTER = {"squared": 2, "cubed": 3}
_NONE = {"unit", "units"}
_TOKEN = re.compile(r"([^\W\d_]+|\\circ|[%°$€£¥₹¢])|(/)|\^ ?(?:\{ ?(-?\d) ?\}|(-?\d))|(\d)|\S")

Unit = tuple[tuple[str, int], ...]


def known_unit(text: str) -> Unit | None:
    r"""Return the unit that a text names, in one form for all its spellings; None where it names none that is known.

    ``km/h``, ``kilometres per hour`` and ``km \cdot h^{-1}`` are the same; ``square feet`` are ``ft^2``.
    """
    powers: dict[str, int] = {}
    last, sign, power = "", 1, 1
    for word, slash, braced, bare, attached in _TOKEN.findall(_SHORT_FORMS.get(text.strip().casefold(), text)):
        if word in _AFTER and last:
            powers[last] *= _AFTER[word]
        elif word.casefold() in _POWERS:
            power = _POWERS[word.casefold()]
        elif slash or word == "per":
            sign = -1
        elif word:
            last = _name(word)
            if not last:
                return None
            powers[last] = powers.get(last, 0) + sign * power
            power = 1
        elif braced or bare or attached:
            if not last:
                return None
            powers[last] *= int(braced or bare or attached)
        else:
            return None
    return tuple(sorted(powers.items())) or None


def unit(text: str) -> Unit:
    """Return the unit of an answer: a known one, else its words; empty for none and for the word "units".

    Of several words the first counts where it is known, so 18 dollars every day are dollars.
    """
    words = re.sub(r"[.,;!]", " ", text).split()
    whole = " ".join(words)
    if words[-1:] and words[-1].casefold() in _NONE:
        return ()
    first = known_unit(words[0]) if words and (len(words[0]) > 2 or len(words) == 1) else None
    return known_unit(whole) or first or tuple((_singular(word.casefold()), 1) for word in words)


def _name(word: str) -> str:
    for spelling in (word, word.casefold(), _singular(word), _singular(word.casefold())):
        if spelling in _CANONICAL and (len(word) > 1 or spelling == word):
            return _CANONICAL[spelling]
    return ""


def _singular(word: str) -> str:
    if len(word) < 3 or not word.endswith("s") or word.endswith("ss"):
        return word
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-2] if word.endswith(("xes", "ses", "zes", "ches", "shes")) else word[:-1]
