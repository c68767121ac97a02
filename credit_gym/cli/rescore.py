"""Score stored runs again."""

from __future__ import annotations

from typing import Annotated

import typer

from credit_gym.cli.app import RUNS, Options, RunsDir, Scorers, app, asked, find, say_plainness, settled, show


@app.command(epilog="Example: credit-gym score run_0123456789ab --scorer gae --option lam=0.9")
def score(
    runs: Annotated[list[str], typer.Argument(help="Run ids, or paths of run folders.")],
    scorer: Scorers = None,
    option: Options = None,
    runs_dir: RunsDir = RUNS,
) -> None:
    """Score stored runs again, without playing anything; the targets are kept in the store."""
    from credit_gym.credit.stored_runs import score_run
    from credit_gym.report.run_summary import summary

    given = asked(scorer, option)
    for run_name in runs:
        store, run_id = find(run_name, runs_dir)
        episodes = store.episodes(run_id)
        wanted = settled(given, episodes)
        for name, options in wanted:
            score_run(store, run_id, episodes, name, options)
        show(summary(store, run_id, episodes, wanted))
        say_plainness(store, run_id, episodes, wanted)
        if not store.kept:
            typer.echo(f"The folder {store.folder} cannot be written: these targets are not kept.", err=True)
