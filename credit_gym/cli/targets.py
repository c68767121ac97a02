"""Write training targets for trainers to read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from credit_gym.cli.app import RUNS, Options, RunsDir, Scorers, app, asked, find, own_file, say_plainness, settled
from credit_gym.errors import unknown

if TYPE_CHECKING:
    from credit_gym.store import Store


@app.command(epilog="Example: credit-gym targets run_0123456789ab --to parquet --out targets.parquet")
def targets(
    run: Annotated[str, typer.Argument(help="Run id, or path of a run folder.")],
    scorer: Scorers = None,
    option: Options = None,
    to: Annotated[
        str,
        typer.Option(help="parquet, jsonl, datasets, trl-sft, trl-dpo, trl-kto, verl, openrlhf, verifiers or atif."),
    ] = "parquet",
    threshold: Annotated[float | None, typer.Option(help="Credit from which a turn counts.")] = None,
    drop_cut: Annotated[
        bool, typer.Option("--drop-cut", help="No credit for replies that were cut: length, content_filter, refusal.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="File or folder; in the run's folder by default.")] = None,
    runs_dir: RunsDir = RUNS,
) -> None:
    """Write the training targets of a run: one row a turn, or what a trainer reads."""
    from credit_gym.credit.stored_runs import run_credits
    from credit_gym.formats.writers import FORMATS, write_targets

    if to not in FORMATS:
        raise unknown("target format", to, FORMATS)
    store, run_id = find(run, runs_dir)
    episodes = store.episodes(run_id)
    wanted = settled(asked(scorer, option), episodes)
    credits = {name: run_credits(store, run_id, episodes, name, options) for name, options in wanted}
    say_plainness(store, run_id, episodes, wanted)
    path = out or own_targets(store, to)
    write_targets(to, path, episodes, credits, threshold=threshold, drop_cut=drop_cut)
    typer.echo(path)


def own_targets(store: Store, to: str) -> Path:
    """Return where the targets of a run lie in its folder, of a format that there is."""
    from credit_gym.formats.writers import FORMATS

    suffix = FORMATS[to].suffix
    stem = "targets" if to == suffix else f"targets.{to}"
    return own_file(store, f"{stem}.{suffix}" if suffix else stem)
