"""The turn and episode tables as a Hugging Face ``DatasetDict``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq

from credit_gym.data.episode import Episode
from credit_gym.errors import StoreError, missing_extra
from credit_gym.formats.parquet import episode_path, write_parquet
from credit_gym.formats.turn_table import Credits


def to_datasets(episodes: Sequence[Episode], credits: Credits) -> Any:
    """Return a ``datasets.DatasetDict`` of ``turns`` and ``episodes``, the tables of :mod:`credit_gym.formats.parquet`.

    Args:
        episodes: E episodes.
        credits: scorer -> E rows of credits.

    Raises:
        MissingExtraError: the package ``datasets`` is not installed.
        BatchError: a scorer's credits do not match the episodes.
    """
    try:
        from datasets import Dataset, DatasetDict
    except ModuleNotFoundError as error:
        raise missing_extra(error.name or "datasets", "trl") from None
    with TemporaryDirectory() as folder:
        path = Path(folder) / "turns.parquet"
        write_parquet(path, episodes, credits)
        tables = {"turns": pq.read_table(path), "episodes": pq.read_table(episode_path(path))}
    return DatasetDict({name: Dataset(table) for name, table in tables.items()})


def write_datasets(folder: str | Path, episodes: Sequence[Episode], credits: Credits) -> None:
    """Save :func:`to_datasets` to a folder that ``datasets.load_from_disk`` reads.

    Raises:
        StoreError: the folder cannot be written.
    """
    found = to_datasets(episodes, credits)
    try:
        found.save_to_disk(str(folder))
    except OSError as error:
        raise StoreError(f"{folder} cannot be written ({error}): choose another path.") from error
