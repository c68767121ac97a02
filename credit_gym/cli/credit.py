"""From somebody's transcripts to a page, in one command: for people who have logs and no environment."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Annotated

import typer

from credit_gym.cli.app import RUNS, Options, Out, Scorers, app, asked, settled
from credit_gym.cli.imports import File, KeepKeys, RewardFrom, Source, take_in
from credit_gym.cli.report import report
from credit_gym.cli.targets import own_targets
from credit_gym.errors import CreditGymError, unknown

if TYPE_CHECKING:
    from credit_gym.data.episode import Episode

MOST_SHOWN = 200
"""Episodes in the page, at most."""
MOST_TEXT = 16_000_000
"""Characters of them, at most, unless the first alone has more."""


@app.command(epilog="Example: credit-gym credit transcripts.jsonl")
def credit(
    file: File,
    source: Source = "auto",
    scorer: Scorers = None,
    option: Options = None,
    to: Annotated[str, typer.Option(help="Format of the targets, as of credit-gym targets.")] = "jsonl",
    reward_from: RewardFrom = "",
    keep_keys: KeepKeys = False,
    out: Out = RUNS,
) -> None:
    """Say of every step of recorded episodes what it was worth: from a file to a page to read them in.

    It imports the file, asks which scorer fits, scores by that one (or by --scorer), and writes the page and training
    targets into the folder of the new run. Each record needs an outcome (reward, score, success ...), and several
    attempts at one task (task_id) say most. What cannot be read is said and left out; the exit code is then 1.
    """
    from credit_gym.credit.advise import advise
    from credit_gym.credit.run_parts import beginning, layout_of
    from credit_gym.credit.stored_runs import run_credits
    from credit_gym.formats.writers import FORMATS, write_targets

    if to not in FORMATS:
        raise unknown("target format", to, FORMATS)
    given = asked(scorer, option) if scorer or option else []
    taken = take_in(file, source, out, keep_keys=keep_keys, reward_from=reward_from)
    store, run_id = taken.store, taken.run_id
    for remark in taken.remarks():
        typer.echo(remark, err=True)
    episodes = store.episodes(run_id)
    if not layout_of(episodes).completed.any():
        raise CreditGymError(f"No episode of {file} can be credited; of the first is said: {episodes[0].error}.")
    advice = advise(beginning(episodes))
    typer.echo(f"{run_id}: {taken.whole} episodes of {file}, read as {taken.source}\n{advice}")
    wanted = settled(given or [(advice.scorer, dict(advice.options))], episodes)
    credits = {name: run_credits(store, run_id, episodes, name, options) for name, options in wanted}
    path = own_targets(store, to)
    write_targets(to, path, episodes, credits)
    typer.echo(f"{'targets':<11} {path}\n{'page':<11} ", nl=False)
    report(run_id, episodes=_shown(episodes), runs_dir=out)
    if taken.damaged:
        raise typer.Exit(1)


def _shown(episodes: Sequence[Episode]) -> int:
    """How many episodes a page can hold."""
    sizes = (sum(map(len, (*episode.observations, *episode.actions))) for episode in islice(episodes, MOST_SHOWN))
    return max(1, sum(total <= MOST_TEXT for total in accumulate(sizes)))
