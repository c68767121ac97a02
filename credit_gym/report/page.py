"""One self-contained HTML file where a person looks at episodes, each step tinted by its credit, scorers side by side.

What is in it and what holds hostile text back: :mod:`credit_gym.report.viewer.page_shell`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credit_gym.data.episode import Episode
from credit_gym.errors import StoreError
from credit_gym.report.table import Table

if TYPE_CHECKING:
    from credit_gym.report.viewer.leaves import TokenTexts
    from credit_gym.report.viewer.shown_run import Credit, ShownRun

_NOTHING: Mapping[str, tuple[str, Mapping[str, Any]]] = {}


def write_report(
    path: str | Path,
    *,
    title: str,
    episodes: Sequence[Episode],
    credits: Mapping[str, Credit],
    scorers: Mapping[str, tuple[str, Mapping[str, Any]]] = _NOTHING,
    tables: Sequence[Table] = (),
    picture: bytes = b"",
) -> None:
    """Write the report of some episodes; equal arguments give equal bytes.

    Args:
        path: the HTML file.
        title: its title.
        episodes: E episodes with S steps together.
        credits: scorer -> its credits; the scorers are shown in this order.
        scorers: a name in ``credits`` -> the registered scorer and its options that they are of, ``key`` among them;
            what is known so is explained at every step.
        tables: tables to show before the episodes.
        picture: a PNG to show before the tables.

    Raises:
        BatchError: a scorer's credits do not match the episodes.
        StoreError: the file cannot be written.
    """
    from credit_gym.report.viewer.shown_run import given_run  # scorers and all: who wants a table does not wait for it

    run = given_run("report", title, episodes, credits, scorers)
    write_page(path, title=title, runs=[run], tables=tables, picture=picture)


def write_page(
    path: str | Path,
    *,
    title: str,
    runs: Sequence[ShownRun],
    tables: Sequence[Table] = (),
    picture: bytes = b"",
    token_texts: TokenTexts | None = None,
) -> None:
    """Write the page of some runs; see :func:`credit_gym.report.viewer.page_shell.page_parts`.

    Raises:
        StoreError: the file cannot be written.
    """
    from credit_gym.report.viewer.page_shell import page_parts

    parts = page_parts(title, runs, tables=tables, picture=picture, token_texts=token_texts)
    _write(Path(path), parts)


def _write(path: Path, parts: Iterator[str]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(parts)
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror}): choose another path.") from error
