"""One HTML file of tables, each with its figure: no script, and figures as images that nothing in them can leave."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from credit_gym.errors import MissingExtraError, StoreError
from credit_gym.formats.whole_file import whole_file
from credit_gym.report.plots import svg
from credit_gym.report.table import Table, to_html
from credit_gym.report.table_figures import draw_table
from credit_gym.report.text import for_html

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 72rem; padding: 0 1rem; }
figure { margin: 2rem 0; }
figcaption { font-weight: 600; margin-bottom: 0.4rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid #8886; padding: 0.2rem 0.6rem; text-align: left; }
.number { font-variant-numeric: tabular-nums; text-align: right; }
img { background: white; height: auto; max-width: 100%; }
"""


def write_tables_page(
    path: str | Path,
    *,
    title: str,
    tables: Sequence[Table],
    figure_of: Callable[[Table], bytes | None] | None = None,
) -> None:
    """Write tables with their figures; equal arguments give equal bytes. Without matplotlib there are no figures.

    Args:
        path: the HTML file.
        title: its title.
        tables: in the order in which they are shown.
        figure_of: the SVG of a table, None for no figure; by default it is drawn.

    Raises:
        StoreError: the file cannot be written.
    """
    style = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'none'"
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{for_html(title)}</title><style>{_STYLE}</style></head>\n<body><h1>{for_html(title)}</h1>\n"
    )
    parts = [f"{to_html(table)}\n{_image(table, (figure_of or drawn)(table))}" for table in tables]
    try:
        with whole_file(Path(path)) as part:
            part.write_text(f"{head}{''.join(parts)}</body></html>\n", encoding="utf-8", newline="\n")
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror}): choose another path.") from error


def drawn(table: Table) -> bytes | None:
    """Return the figure of a table as SVG; None where it has no numbers, or matplotlib is not installed."""
    with suppress(MissingExtraError):
        figure = draw_table(table)
        return None if figure is None else svg(figure)
    return None


def _image(table: Table, figure: bytes | None) -> str:
    """A figure as an image, which runs and fetches nothing; empty where there is none."""
    if figure is None:
        return ""
    data = base64.b64encode(figure).decode()
    return f'<img alt="Figure: {for_html(table.title)}" src="data:image/svg+xml;base64,{data}">\n'
