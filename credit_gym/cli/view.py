"""Look at runs: one HTML file, or the same page from a server where they are large or grow."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from credit_gym.cli.app import RUNS, Options, RunsDir, Scorers, app, asked, find, own_file, settled
from credit_gym.errors import CreditGymError

if TYPE_CHECKING:
    from credit_gym.report.viewer.leaves import TokenTexts
    from credit_gym.report.viewer.shown_run import ShownRun
    from credit_gym.store import Store

FILE_EPISODES = 2000
"""Episodes up to which the page is one file."""

_Scored = Sequence[tuple[str, Mapping[str, Any]]]


@app.command(epilog="Example: credit-gym view run_0123456789ab --scorer evidence_lambda --scorer gigpo")
def view(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids of runs, or paths of their folders.")],
    scorer: Scorers = None,
    option: Options = None,
    serve: Annotated[
        bool | None,
        typer.Option(
            "--serve/--file",
            help=f"From a server that shows new episodes, or as one file; a file up to {FILE_EPISODES:,} episodes.",
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the server; 0 takes a free one.")] = 0,
    opened: Annotated[bool, typer.Option("--open/--no-open", help="Open it in a browser.")] = True,
    tokenizer: Annotated[
        str | None, typer.Option(help="Folder of a model whose tokenizer says the texts of tokens.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The file; view.html in the first run's folder by default.")] = None,
    runs_dir: RunsDir = RUNS,
) -> None:
    """Look at runs in a browser: every step's credits, why they are what they are, and what the model wrote."""
    from credit_gym.report.page import write_page

    found = [find(name, runs_dir) for name in runs]
    for _, run_id in found:
        if run_id.startswith("group_"):
            raise CreditGymError(f"{run_id} is a group: give the ids of some of its runs (`credit-gym runs`).")
    wanted = {run_id: _wanted(store, run_id, scorer, option) for store, run_id in found}

    def read() -> list[ShownRun]:
        return [_shown(store, run_id, wanted[run_id]) for store, run_id in found]

    title = " · ".join(run_id for _, run_id in found)
    texts = None if tokenizer is None else _token_texts(tokenizer)
    count = sum(len(store.episodes(run_id)) for store, run_id in found)
    if serve or (serve is None and out is None and count > FILE_EPISODES):
        _serve(title, found, read, port=port, opened=opened, texts=texts)
        return
    path = out or own_file(found[0][0], "view.html")
    write_page(path, title=title, runs=read(), token_texts=texts)
    typer.echo(path)
    if opened:
        _open(path.resolve().as_uri())


def _wanted(store: Store, run_id: str, scorer: Sequence[str] | None, option: Sequence[str] | None) -> _Scored:
    """The scorers that were asked for, else those that the run was scored by, else the default one."""
    kept = [] if scorer or option else store.target_sets(run_id)
    return kept or settled(asked(scorer, option), store.episodes(run_id))


def _shown(store: Store, run_id: str, wanted: _Scored) -> ShownRun:
    from credit_gym.report.viewer.shown_run import scored_run

    def say(label: str, error: CreditGymError) -> None:
        typer.echo(f"{label} is left out of {run_id}: {error}", err=True)

    record = store.run(run_id)
    title = f"{record.env_id} · {record.agent_id}"
    return scored_run(run_id, title, store.episodes(run_id), wanted, left_out=say)


def _serve(
    title: str,
    found: Sequence[tuple[Store, str]],
    read: Callable[[], Sequence[ShownRun]],
    *,
    port: int,
    opened: bool,
    texts: TokenTexts | None,
) -> None:
    from credit_gym.report.viewer.live_view import LiveRuns, live_server

    def count() -> int:
        return sum(len(store.episodes(run_id)) for store, run_id in found)

    server, address = live_server(title, LiveRuns(count, read, texts), port=port)
    typer.echo(f"{address}\nCtrl-C ends it.")
    if opened:
        _open(address)
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def _token_texts(folder: str) -> TokenTexts:
    from credit_gym.agents.llm.pretrained import load_tokenizer

    try:
        if not Path(folder).is_dir():  # of a name on the hub transformers would fetch one
            raise OSError("it is no folder")
        tokenizer = load_tokenizer(folder)
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise CreditGymError(f"{folder} holds no tokenizer ({reason}): give the folder of a model.") from error
    return lambda tokens: [tokenizer.decode([token]) for token in tokens]


def _open(address: str) -> None:
    """Open an address where there is a display; where there is none it was printed."""
    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open_new_tab(address)
