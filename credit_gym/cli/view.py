"""Look at runs: one HTML file, or the same page from a server where they are large or grow."""

from __future__ import annotations

import os
import sys
import webbrowser
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from credit_gym.cli.app import RUNS, Options, RunsDir, Scorers, app, asked, find, own_file, settled
from credit_gym.errors import CreditGymError, StoreError

if TYPE_CHECKING:
    from credit_gym.report.viewer.leaves import TokenTexts
    from credit_gym.report.viewer.shown_run import ShownRun
    from credit_gym.store import Store

FILE_EPISODES = 2000
"""Episodes up to which the page is one file."""

FILE_STEPS = 50_000
"""Steps of them up to which it is."""

_Scored = Sequence[tuple[str, Mapping[str, Any]]]
_Labels = Mapping[str, Mapping[str, Sequence[int | None]]]
_PORTS = range(49152, 65536)  # for whoever wants one


@app.command(
    epilog="Example: credit-gym view run_0123456789ab run_ba9876543210 --scorer evidence_lambda --scorer gigpo"
)
def view(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids of runs, or paths of their folders.")],
    scorer: Scorers = None,
    option: Options = None,
    serve: Annotated[
        bool | None,
        typer.Option(
            "--serve/--file",
            help=f"From a server that shows new episodes, or as one file; by default a file of finished runs up to "
            f"{FILE_EPISODES:,} episodes and {FILE_STEPS:,} steps.",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Of the server; 0 takes a free one. The browser knows labels by it.",
            show_default="one that these runs have each time",
        ),
    ] = None,
    opened: Annotated[bool, typer.Option("--open/--no-open", help="Open it in a browser.")] = True,
    tokenizer: Annotated[
        str | None, typer.Option(help="Folder of a model whose tokenizer says the texts of tokens.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="What people said of steps: a file that the page exported (AgentProcessBench).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The file; view.html in the first run's folder by default.")] = None,
    runs_dir: RunsDir = RUNS,
) -> None:
    """Look at runs in a browser: every step's credits, why they are what they are, and what the model wrote.

    Runs of the same tasks and seeds, and agents of one run, are compared side by side: press x. ? shows all keys.
    """
    from credit_gym.report.page import write_page

    found = [find(name, runs_dir) for name in runs]
    for _, run_id in found:
        if run_id.startswith("group_"):
            raise CreditGymError(f"{run_id} is a group: give the ids of some of its runs (`credit-gym runs`).")
    said = {} if labels is None else _said(labels, [run_id for _, run_id in found])
    wanted: dict[str, _Scored] = {}
    left_out = _once()

    def read() -> list[ShownRun]:
        for store, run_id in found:
            if run_id not in wanted and len(store.episodes(run_id)):  # of a run without episodes nobody can tell
                wanted[run_id] = _wanted(store, run_id, scorer, option)
        return [
            replace(_shown(store, run_id, wanted.get(run_id, ()), left_out), labels=said.get(run_id, {}))
            for store, run_id in found
        ]

    title = " · ".join(run_id for _, run_id in found)
    texts = None if tokenizer is None else _token_texts(tokenizer)
    why = _why_served(found) if serve is None and out is None else ""
    if serve or why:
        _serve(title, found, read, why=why, port=port, opened=opened, texts=texts)
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


def _shown(store: Store, run_id: str, wanted: _Scored, say: Callable[[str], None]) -> ShownRun:
    from credit_gym.report.viewer.shown_run import scored_run

    def left_out(label: str, error: CreditGymError) -> None:
        say(f"{label} is left out of {run_id}: {error}")

    record = store.run(run_id)
    title = f"{record.env_id} · {record.agent_id}"
    return scored_run(run_id, title, store.episodes(run_id), wanted, left_out=left_out)


def _once() -> Callable[[str], None]:
    """Return what says a sentence, but none twice: a page that grows is made many times."""
    said: set[str] = set()

    def say(sentence: str) -> None:
        if sentence not in said:
            said.add(sentence)
            typer.echo(sentence, err=True)

    return say


def _why_served(found: Sequence[tuple[Store, str]]) -> str:
    """Why runs are better served than written into a file; empty where they are not."""
    if growing := [run_id for store, run_id in found if store.run(run_id).status == "running"]:
        return f"{growing[0]} is not finished"
    played = [store.episodes(run_id) for store, run_id in found]
    episodes, steps = sum(map(len, played)), sum(int(each.layout.steps.sum()) for each in played)
    if episodes > FILE_EPISODES:
        return f"There are {episodes:,} episodes, more than {FILE_EPISODES:,}"
    return f"There are {steps:,} steps, more than {FILE_STEPS:,}" if steps > FILE_STEPS else ""


def _said(path: Path, runs: Sequence[str]) -> _Labels:
    """What the lines of a file say of the episodes of some runs; a line without a run is of any of them."""
    from credit_gym.formats.agent_process_bench import read_labels

    found: dict[str, dict[str, Sequence[int | None]]] = {run_id: {} for run_id in runs}
    for each in read_labels(path):
        if isinstance(each, StoreError):
            typer.echo(str(each), err=True)
            continue
        for run_id in runs if each.run is None else {each.run} & found.keys():
            found[run_id][each.episode] = each.labels
    if not any(found.values()):
        raise CreditGymError(f"{path} labels no episode of {' or '.join(runs)}: give a file that their page exported.")
    return found


def _serve(
    title: str,
    found: Sequence[tuple[Store, str]],
    read: Callable[[], Sequence[ShownRun]],
    *,
    why: str,
    port: int | None,
    opened: bool,
    texts: TokenTexts | None,
) -> None:
    from credit_gym.report.viewer.live_view import LiveRuns, live_server

    def count() -> int:
        return sum(len(store.episodes(run_id)) for store, run_id in found)

    shown = LiveRuns(count, read, texts)
    try:
        own = _PORTS[zlib.crc32(title.encode()) % len(_PORTS)]
        server, address = live_server(title, shown, port=own if port is None else port)
    except CreditGymError:
        if port is not None:
            raise
        server, address = live_server(title, shown)
    told = f"{why}: this is a server, --file writes a file of what there is. " if why else ""
    typer.echo(f"{address}\n{told}Ctrl-C ends it.")
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
