"""Foreign text made safe for the place it is shown in: what a model wrote must stay text there."""

from __future__ import annotations

import html
import re

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "±": r"$\pm$",
}
_MARKDOWN = re.compile(r"[\\`*\[\]|~]|(?<!\w)_|_(?!\w)")  # an underscore inside a word marks nothing up


def printable(text: str) -> str:
    r"""Return a text that cannot drive a terminal: what has no glyph, save line breaks, is spelled out as ``\x1b``."""
    if text.replace("\n", "").isprintable():  # almost every text, told a hundred times sooner
        return text
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def one_line(text: str) -> str:
    """Return :func:`printable` text on one line."""
    return printable(" ".join(text.split()))


def for_html(text: str) -> str:
    """Return a text for an HTML element or a quoted attribute."""
    return html.escape(printable(text))


def for_markdown(text: str) -> str:
    """Return a text for a cell of a Markdown table: no markup, no HTML, no cell or line breaks."""
    return _MARKDOWN.sub(r"\\\g<0>", html.escape(one_line(text), quote=False))


def for_latex(text: str) -> str:
    """Return a text for a cell of a LaTeX table: no command, no special character."""
    return "".join(_LATEX.get(c, c) for c in one_line(text))
