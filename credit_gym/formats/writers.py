"""Training targets in the formats that trainers read: one function per format, and the registry of their writers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError, NothingToWriteError, unknown
from credit_gym.formats.atif import atif_rows
from credit_gym.formats.credited_turns import Row, without_cut
from credit_gym.formats.datasets import write_datasets
from credit_gym.formats.jsonl import write_jsonl, write_lines
from credit_gym.formats.openrlhf import openrlhf_rows
from credit_gym.formats.parquet import write_parquet
from credit_gym.formats.trl import dpo_rows, kto_rows, sft_rows
from credit_gym.formats.turn_table import Credits
from credit_gym.formats.verifiers import verifiers_rows
from credit_gym.formats.verl import verl_rows, write_turns

__all__ = ["FORMATS", "Format", "write_targets"]


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write training targets.

    Attributes:
        suffix: of the file; empty for a folder.
        summary: what is in it, in one line.
        write: the writer of a table, which has a column for every scorer.
        rows: the rows of a format that has room for one scorer; takes a ``threshold``.
        save: how those rows become a file.
        nothing: why there may be no row, and what to do then.
    """

    suffix: str
    summary: str
    write: Callable[[Path, Sequence[Episode], Credits], object] | None = None
    rows: Callable[..., Iterable[Row]] | None = None
    save: Callable[[Path, Iterable[Row]], object] = write_lines
    nothing: str = "there is no turn; play or import episodes first"


def write_targets(
    to: str,
    path: str | Path,
    episodes: Sequence[Episode],
    credits: Credits,
    *,
    threshold: float | None = None,
    drop_cut: bool = False,
) -> None:
    """Write the training targets of some episodes.

    Args:
        to: a key of :data:`FORMATS`.
        path: the file, or the folder for ``datasets``.
        episodes: E episodes.
        credits: scorer -> E rows of credits, see :data:`credit_gym.formats.turn_table.Credits`.
        threshold: the credit from which a turn counts; each format's own default if None.
        drop_cut: give no credit to a turn whose reply was cut, see
            :func:`credit_gym.formats.credited_turns.without_cut`.

    Raises:
        UnknownNameError: there is no such format.
        CreditGymError: the format has room for one scorer and was given several, or it takes no threshold.
        NothingToWriteError: there would be nothing in the file, which is not written then.
        BatchError: the credits do not match the episodes.
        StoreError: the file cannot be written.
    """
    if to not in FORMATS:
        raise unknown("target format", to, FORMATS)
    form = FORMATS[to]
    if form.rows is None and threshold is not None:
        raise CreditGymError(f"The format {to} keeps every turn and takes no threshold: leave it out.")
    if form.rows is not None and len(credits) != 1:
        raise CreditGymError(f"The format {to} has room for one scorer, not {len(credits)}: give one --scorer.")
    if drop_cut:
        credits = {scorer: without_cut(episodes, credit) for scorer, credit in credits.items()}
    if form.rows is not None:
        (credit,) = credits.values()
        rows = iter(form.rows(episodes, credit, **({} if threshold is None else {"threshold": threshold})))
        first = list(islice(rows, 1))
        _refuse_nothing(to, form, credits, something=bool(first))
        form.save(Path(path), chain(first, rows))
    elif form.write is not None:
        _refuse_nothing(to, form, credits, something=any(map(len, episodes)))
        form.write(Path(path), episodes, credits)


def _refuse_nothing(to: str, form: Format, credits: Credits, *, something: bool) -> None:
    if not something:
        raise NothingToWriteError(
            f"Nothing of {' and '.join(credits) or 'the run'} can be written as {to}: {form.nothing}."
        )


_ADVICE = "lower --threshold, choose a scorer that tells the turns apart, or play every task several times"

FORMATS: dict[str, Format] = {
    "parquet": Format("parquet", "one row a turn and a table of episodes, a column per scorer", write=write_parquet),
    "jsonl": Format("jsonl", "one row a turn, a column per scorer", write=write_jsonl),
    "datasets": Format("", "both tables as a Hugging Face DatasetDict", write=write_datasets),
    "trl-sft": Format(
        "jsonl", "turns worth imitating", rows=sft_rows, nothing=f"no turn's credit is above the threshold; {_ADVICE}"
    ),
    "trl-dpo": Format(
        "jsonl",
        "pairs of actions at one state",
        rows=dpo_rows,
        nothing=f"in no state the mean credits of two actions differ by more than the threshold; {_ADVICE}",
    ),
    "trl-kto": Format(
        "jsonl",
        "turns labelled by the sign of their credit",
        rows=kto_rows,
        nothing=f"no turn's credit is larger than the threshold; {_ADVICE}",
    ),
    "verl": Format(
        "parquet",
        "rows of RLHFDataset with credits and tokens",
        rows=verl_rows,
        save=write_turns,
        nothing=f"no turn has a credit that reaches the threshold; {_ADVICE}",
    ),
    "openrlhf": Format(
        "jsonl",
        "prompts labelled with credits",
        rows=openrlhf_rows,
        nothing=f"in no state the credits span the threshold; {_ADVICE}",
    ),
    "verifiers": Format(
        "jsonl",
        "traces with advantages, for prime-rl",
        rows=verifiers_rows,
        nothing="there is no episode; play or import some first",
    ),
    "atif": Format(
        "jsonl",
        "trajectories with credit in step.extra, for viewers",
        rows=atif_rows,
        nothing="there is no episode; play or import some first",
    ),
}
"""Name -> format, as ``credit-gym targets RUN --to NAME`` writes it."""
