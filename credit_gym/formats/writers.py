"""Training targets in the formats that trainers read: one function per format, and the registry of their writers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError, unknown
from credit_gym.formats.credited_turns import Row
from credit_gym.formats.datasets import write_datasets
from credit_gym.formats.jsonl import write_jsonl, write_lines
from credit_gym.formats.openrlhf import openrlhf_rows
from credit_gym.formats.parquet import write_parquet
from credit_gym.formats.trl import dpo_rows, kto_rows, sft_rows
from credit_gym.formats.turn_table import Credits
from credit_gym.formats.verifiers import verifiers_rows
from credit_gym.formats.verl import write_verl

__all__ = ["FORMATS", "Format", "write_targets"]


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write training targets.

    Attributes:
        suffix: of the file; empty for a folder.
        summary: what is in it, in one line.
        write: the writer of a table, which has a column for every scorer.
        write_one: the writer of a format that has room for one scorer; takes a ``threshold``.
    """

    suffix: str
    summary: str
    write: Callable[[Path, Sequence[Episode], Credits], object] | None = None
    write_one: Callable[..., object] | None = None


def write_targets(
    to: str, path: str | Path, episodes: Sequence[Episode], credits: Credits, *, threshold: float | None = None
) -> None:
    """Write the training targets of some episodes.

    Args:
        to: a key of :data:`FORMATS`.
        path: the file, or the folder for ``datasets``.
        episodes: E episodes.
        credits: scorer -> E rows of credits, see :data:`credit_gym.formats.turn_table.Credits`.
        threshold: the credit from which a turn counts; each format's own default if None.

    Raises:
        UnknownNameError: there is no such format.
        CreditGymError: the format has room for one scorer and was given several, or it takes no threshold.
        BatchError: the credits do not match the episodes.
        StoreError: the file cannot be written.
    """
    if to not in FORMATS:
        raise unknown("target format", to, FORMATS)
    form = FORMATS[to]
    if form.write is not None:
        if threshold is not None:
            raise CreditGymError(f"The format {to} keeps every turn and takes no threshold: leave it out.")
        form.write(Path(path), episodes, credits)
    elif form.write_one is not None:
        if len(credits) != 1:
            raise CreditGymError(f"The format {to} has room for one scorer, not {len(credits)}: give one --scorer.")
        (credit,) = credits.values()
        form.write_one(path, episodes, credit, **({} if threshold is None else {"threshold": threshold}))


def _lines(rows: Callable[..., Iterator[Row]], path: Path, *arguments: Any, **options: Any) -> None:
    write_lines(path, rows(*arguments, **options))


FORMATS: dict[str, Format] = {
    "parquet": Format("parquet", "one row a turn and a table of episodes, a column per scorer", write=write_parquet),
    "jsonl": Format("jsonl", "one row a turn, a column per scorer", write=write_jsonl),
    "datasets": Format("", "both tables as a Hugging Face DatasetDict", write=write_datasets),
    "trl-sft": Format("jsonl", "turns worth imitating", write_one=partial(_lines, sft_rows)),
    "trl-dpo": Format("jsonl", "pairs of actions at one state", write_one=partial(_lines, dpo_rows)),
    "trl-kto": Format("jsonl", "turns labelled by the sign of their credit", write_one=partial(_lines, kto_rows)),
    "verl": Format("parquet", "rows of RLHFDataset with credits and tokens", write_one=write_verl),
    "openrlhf": Format("jsonl", "prompts labelled with credits", write_one=partial(_lines, openrlhf_rows)),
    "verifiers": Format("jsonl", "traces with advantages, for prime-rl", write_one=partial(_lines, verifiers_rows)),
}
"""Name -> format, as ``credit-gym targets RUN --to NAME`` writes it."""
