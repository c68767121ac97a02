"""The page: one HTML file with its style, its script and what it shows, or with none of that where it is served.

What a model wrote is hostile. It reaches the page only as JSON inside data blocks, with every character that could end
a block or begin markup escaped, and the script puts it into the document as text, never as HTML. The content security
policy names the hashes of the one script and the one style sheet and allows nothing else: no other script, no
event-handler attribute, no link that runs code, no request to anywhere, save to the server that a served page is from.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from credit_gym.report.table import Table, to_html
from credit_gym.report.text import for_html
from credit_gym.report.viewer.comparisons import comparison, count_comparisons
from credit_gym.report.viewer.leaves import KINDS, TokenTexts, count_leaves, leaf
from credit_gym.report.viewer.overview import overview
from credit_gym.report.viewer.script_modules import asset, script
from credit_gym.report.viewer.shown_run import ShownRun

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def page_parts(
    title: str,
    runs: Sequence[ShownRun],
    *,
    tables: Sequence[Table] = (),
    picture: bytes = b"",
    token_texts: TokenTexts | None = None,
) -> Iterator[str]:
    """Yield the self-contained page of some runs piece by piece, a leaf in memory at a time.

    Args:
        title: its title.
        runs: the runs.
        tables: tables to show before the episodes.
        picture: a PNG to show before the tables.
        token_texts: the texts of tokens; where there is none their numbers are shown.
    """
    before, after = _shell(title, tables=tables, picture=picture)
    yield before
    yield _block("overview", overview(runs))
    for number in range(count_leaves(runs)):
        for kind in KINDS:
            yield _block(f"{kind}-{number}", leaf(runs, kind, number, token_texts=token_texts))
    for number in range(count_comparisons(runs)):
        yield _block(f"compare-{number}", comparison(runs, number))
    yield after


def served_page(title: str) -> str:
    """Return the page that asks the server it came from for what it shows."""
    return "".join(_shell(title, served=True))


def policy(*, served: bool = False, picture: bool = False) -> str:
    """Return the content security policy of a page."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src '{_hash(asset('viewer.css'))}'",
            f"script-src '{_hash(script())}'",
            *(["connect-src 'self'"] if served else []),
            *(["img-src data:"] if picture else []),
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _shell(title: str, *, tables: Sequence[Table] = (), picture: bytes = b"", served: bool = False) -> tuple[str, str]:
    """The page before and after its data."""
    values = {
        "title": for_html(title),
        "policy": policy(served=served, picture=bool(picture)),
        "style": asset("viewer.css"),
        "script": script(),
        "tables": "\n".join([*_images(picture), *map(to_html, tables)]),
    }
    before, after = asset("viewer.html").split("{{data}}")
    return _filled(before, values), _filled(after, values)


def _filled(template: str, values: Mapping[str, str]) -> str:
    """Fill a template in one pass: what is filled in is never itself looked at for placeholders."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], template)


def _images(picture: bytes) -> list[str]:
    return [f'<img alt="" src="data:image/png;base64,{base64.b64encode(picture).decode()}">'] if picture else []


def _block(name: str, data: Any) -> str:
    r"""Return JSON inside a script element: ASCII, and no ``<``, ``>`` or ``&``."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    safe = re.sub("[<>&]", lambda match: _ESCAPES[match[0]], text)
    return f'<script id="{name}" type="application/json">{safe}</script>\n'


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
