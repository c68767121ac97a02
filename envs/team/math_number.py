r"""Numbers as people write them, read exactly.

Digits in groups (``1,234``, ``70 000``, ``1.234.567,8``, ``12,34,567``), decimals, powers of ten, repeating decimals
(``0.\overline{3}`` and ``0.(3)`` are a third; ``0.333...`` is not, for nobody knows how it goes on), fractions, and
mixed numbers: ``3 1/2``, ``3\frac12`` and ``3½`` are seven halves. Scale words belong to the number: 2 hundred is 200.
"""

from __future__ import annotations

import re
from fractions import Fraction

LONGEST = 300  # characters of a number, and decimals of a power of ten

SCALES = {
    "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "lakh": 10**5,
    "crore": 10**7, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8,
}  # fmt: skip

_COMMAS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?")
_GAPS = re.compile(r"\d{1,3}([ '’_])\d{3}(?:\1\d{3})*(?:[.,]\d+)?")
_DOTS = re.compile(r"\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?|\d{1,3}(?:\.\d{3})+,\d+")
_DECIMAL = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)")
_POWER = re.compile(r"(.+?) ?(?:[eE]([+-]?\d{1,3})|(?:\\times|\\cdot|\*|×) ?10 ?\^ ?(?:\{ ?([+-]?\d{1,3}) ?\}|(\d)))")
_REPEATING = re.compile(r"(\d*)\.(\d*)(?:\\(?:overline|bar|dot) ?(?:\{ ?(\d+) ?\}|(\d))|\((\d+)\))")
_RATIO = re.compile(r"\\frac ?(?:\{([^{}]+)\}|(\d)) ?(?:\{([^{}]+)\}|(\d))|([^ /]+) ?/ ?([^ /]+)")
_MIXED = re.compile(r"(\d+) ?(\\frac.+)|(\d+) (\d+ ?/ ?\d+)")
_DECIMAL_COMMA = re.compile(r"[+-]?(?:\d+,\d{1,2}|\d+,\d{4,}|0,\d+)")


def number(text: str) -> Fraction | None:
    """Return the exact value of a clean text (:func:`~credit_gym.envs.team.math_form.clean`) that is a number alone."""
    if not text or len(text) > LONGEST:
        return None
    sign = -1 if text[0] == "-" else 1
    text = text[text[0] in "+-" :].strip()
    if not text or text[0] in "+-":
        return None
    for read in (_plain, _repeating, _mixed, ratio, _power):
        value = read(text)
        if value is not None:
            return sign * value
    return None


def ratio(text: str) -> Fraction | None:
    r"""Return the value of ``a/b`` or ``\frac{a}{b}``, whose parts are plain numbers with or without a sign."""
    found = _RATIO.fullmatch(text[text[:1] in ("+", "-") :].strip())
    if found is None:
        return None
    top, bottom = (_signed(part.strip()) for part in found.groups() if part is not None)
    return top / bottom if top is not None and bottom else None


def with_decimal_comma(text: str) -> Fraction | None:
    """Return the value of a number with a decimal comma, such as ``3,14``; ``1,234`` is a number with a group."""
    return Fraction(text.replace(",", ".")) if len(text) <= LONGEST and _DECIMAL_COMMA.fullmatch(text) else None


def _signed(text: str) -> Fraction | None:
    value = _plain(text[text[:1] in ("+", "-") :])
    return -value if value is not None and text[0] == "-" else value


def _plain(text: str) -> Fraction | None:
    if _DECIMAL.fullmatch(text):
        return Fraction(text)
    if _COMMAS.fullmatch(text):
        return Fraction(text.replace(",", ""))
    if _GAPS.fullmatch(text):
        return Fraction(re.sub("[ '’_]", "", text).replace(",", "."))
    if _DOTS.fullmatch(text):
        return Fraction(text.replace(".", "").replace(",", "."))
    return None


def _repeating(text: str) -> Fraction | None:
    found = _REPEATING.fullmatch(text)
    if found is None:
        return None
    whole, fixed, *period = found.groups()
    again = next(digits for digits in period if digits)
    once = Fraction(int(f"{whole}{fixed}" or 0), 10 ** len(fixed))
    return once + Fraction(int(again), (10 ** len(again) - 1) * 10 ** len(fixed))


def _mixed(text: str) -> Fraction | None:
    found = _MIXED.fullmatch(text)
    if found is None:
        return None
    whole, part = (group for group in found.groups() if group is not None)
    rest = ratio(part)
    return int(whole) + rest if rest is not None and 0 <= rest < 1 else None


def _power(text: str) -> Fraction | None:
    found = _POWER.fullmatch(text)
    if found is None:
        return None
    base, *exponents = found.groups()
    value, exponent = _plain(base), int(next(e for e in exponents if e))
    return None if value is None or abs(exponent) > LONGEST else value * Fraction(10) ** exponent
