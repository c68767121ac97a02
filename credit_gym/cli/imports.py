"""Take in episodes that others recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from credit_gym.cli.app import RUNS, Out, app
from credit_gym.cli.stopping import marking_the_stopped
from credit_gym.errors import CreditGymError, StoreError

if TYPE_CHECKING:
    from credit_gym.data.episode import Episode
    from credit_gym.store import Store

AT_ONCE = 500
"""Episodes that are in memory at the same time, at most."""
MOST_TEXT = 4_000_000
"""Characters of them, at most, unless one alone has more."""

File = Annotated[Path, typer.Argument(help="The file, maybe packed by gzip, or a folder of them.")]
Source = Annotated[
    str,
    typer.Option(
        "--from", help="auto tells by the beginning; or chat, steps (plain JSON), atif, verifiers, inspect, tau2, bfcl."
    ),
]
RewardFrom = Annotated[str, typer.Option(help="Of an inspect log with several scores, the one that counts.")]
KeepKeys = Annotated[
    bool, typer.Option("--keep-keys", help="Leave what looks like a provider's key; else [key] stands in its place.")
]


class Taken(NamedTuple):
    """A run that was made of a file.

    Attributes:
        store: where it lies.
        run_id: its id.
        source: the format that the file has.
        whole: how many episodes were taken in.
        damaged: how many could not be.
        said: what is wrong with the first of these.
        keys: in how many episodes keys were found and taken out.
    """

    store: Store
    run_id: str
    source: str
    whole: int
    damaged: int
    said: str
    keys: int

    def remarks(self) -> Iterator[str]:
        """Yield what is to be said of the file, a sentence each."""
        from credit_gym.report.text import one_line

        if self.keys:
            yield f"Keys were taken out of {self.keys} of {self.whole} episodes; --keep-keys leaves them in."
        if self.damaged:
            yield f"{self.damaged} of {self.damaged + self.whole} were left out; the first: {one_line(self.said)}"


@app.command("import", epilog="Example: credit-gym import traces.jsonl")
def import_(
    file: File,
    source: Source = "auto",
    reward_from: RewardFrom = "",
    keep_keys: KeepKeys = False,
    out: Out = RUNS,
) -> None:
    """Import episodes as a run, to be scored, reported and exported like any other; prints the run's id.

    A record is a chat, {"messages": [{"role", "content"}, ...], "reward": 1.0}, has steps, {"observation", "action",
    "reward"}, or is a document of one of the other formats. What cannot be read is said and left out; the exit code is
    then 1.
    """
    taken = take_in(file, source, out, keep_keys=keep_keys, reward_from=reward_from)
    typer.echo(taken.run_id)
    for remark in taken.remarks():
        typer.echo(remark, err=True)
    if taken.damaged:
        raise typer.Exit(1)


def take_in(file: Path, source: str, out: Path, *, keep_keys: bool, reward_from: str) -> Taken:
    """Make a run of a file's episodes; it is there when it is whole. The arguments are those of the command.

    Raises:
        CreditGymError: there is no such format, the file cannot be read or holds no episode, or the store refuses.
    """
    from credit_gym.formats.api_keys import text_without_keys, without_keys
    from credit_gym.formats.readers import AUTO, each_episode
    from credit_gym.formats.recognise import recognise
    from credit_gym.store import new_run, sole_use

    source = recognise(file) if source == AUTO else source
    options = {"reward_from": reward_from} if reward_from else {}
    first, said, whole, damaged = None, "", 0, 0  # the file is read twice: nobody shall take a part for the whole
    for found in each_episode(source, file, **options):
        if isinstance(found, StoreError):
            said, damaged = said or str(found), damaged + 1
        else:
            first, whole = first or found, whole + 1
    if first is None:
        raise CreditGymError(text_without_keys(said) or f"{file} holds no episode.")
    first, said = (first, said) if keep_keys else (without_keys(first), text_without_keys(said))
    store, run_id = new_run(
        out,
        env_id=first.env_id,
        agent_id=first.agent_id,
        config={"arguments": {}, "imported": source, "episodes": whole, "group_size": 1},
        seed=None,
    )
    keys = 0
    with sole_use(store.folder), marking_the_stopped(store):
        good = (found for found in each_episode(source, file, **options) if not isinstance(found, StoreError))
        for episodes in _batches(good):
            kept = episodes if keep_keys else list(map(without_keys, episodes))
            keys += sum(new is not old for new, old in zip(kept, episodes, strict=True))
            store.add_episodes(run_id, kept)
        store.finish_run(run_id, "finished")
    return Taken(store, run_id, source, whole, damaged, said, keys)


def _batches(episodes: Iterable[Episode]) -> Iterator[list[Episode]]:
    held: list[Episode] = []
    size = 0
    for episode in episodes:
        held.append(episode)
        size += sum(map(len, episode.observations)) + sum(map(len, episode.actions)) + len(episode.extras or "")
        size += sum(map(len, episode.messages or ()))  # what chats share is held once, but each points to it
        if len(held) >= AT_ONCE or size >= MOST_TEXT:
            yield held
            held, size = [], 0
    if held:
        yield held
