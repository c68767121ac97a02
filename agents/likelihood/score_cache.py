"""Results on disk, by the content of the model and of what was asked."""

from __future__ import annotations

import hashlib
import os
import threading
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from credit_gym.errors import CreditGymError

Table = npt.NDArray[np.float32]
_FORMAT = 1


class ScoreCache:
    """A folder of float32 tables, one small file each, written whole or not at all and checked when read.

    A file that is missing, cut short or changed is computed again. Several processes may share the folder.

    Args:
        folder: where the files are; made when first needed.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def key(self, identity: str, *parts: Any) -> str:
        """Return the name of a result: a hash of the model's identity and of everything that was asked of it.

        Args:
            identity: hash of the model (:attr:`~credit_gym.agents.likelihood.language_model.LanguageModel.identity`).
            parts: integers, texts, integer arrays, and tuples of these.
        """
        digest = hashlib.sha256(f"{_FORMAT} {identity}".encode())
        for part in parts:
            if isinstance(part, np.ndarray):
                digest.update(f"[{part.size}]".encode() + part.astype("<i8").tobytes())
            elif isinstance(part, tuple):
                digest.update(f"({self.key('', *part)})".encode())
            else:
                digest.update(f"{type(part).__name__} {part!r};".encode())
        return digest.hexdigest()

    def fetch(self, keys: Sequence[str], compute: Callable[[Sequence[int]], Sequence[Table]]) -> list[Table]:
        """Return the results of some keys; those that are not there are computed together and kept.

        Args:
            keys: names of the results.
            compute: returns the results at the given indices.

        Raises:
            CreditGymError: the folder cannot be written.
        """
        found = {index: table for index, key in enumerate(keys) if (table := self._read(key)) is not None}
        missing = [index for index in range(len(keys)) if index not in found]
        if missing:
            for index, table in zip(missing, compute(missing), strict=True):
                found[index] = table
                self._write(keys[index], table)
        return [found[index] for index in range(len(keys))]

    def _place(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npz"

    def _read(self, key: str) -> Table | None:
        try:
            with np.load(self._place(key), allow_pickle=False) as file:  # a zip file: every byte is under a checksum
                table = file["table"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            return None
        return table if table.dtype == np.float32 else None

    def _write(self, key: str, table: Table) -> None:
        place = self._place(key)
        part = place.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as stream:
                np.savez(stream, table=table)
            part.replace(place)
        except OSError as error:
            raise CreditGymError(
                f"The score cache {str(self.folder)!r} cannot be written ({error.strerror}); give it another folder."
            ) from error
