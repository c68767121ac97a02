"""Answers on disk: a request that was answered once is not sent again."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from credit_gym.agents.llm.completion import AsyncBackend, BackendWrapper, Completion, Position, Request
from credit_gym.data.foreign_text import file_text, read_json
from credit_gym.errors import CreditGymError

_LATER = (
    "top_logprobs",
    "opening",
    "tools",
)  # what requests did not have once; left out of their names where it asks nothing

_SEQUENCES = ("prompt_token_ids", "token_ids", "logprobs", "tool_calls")


class Cached(BackendWrapper):
    """Answers from a folder where it can, else asks a backend and keeps the answer; failures are not kept.

    One JSON file an answer, named by the SHA-256 of the backend's name and of everything in the request, its seed and
    ``repetition`` included. Files are written whole or not at all, so processes may share a folder; one that cannot be
    read is written anew. An answer that cannot be kept, on a full disk or a read-only one, is an answer all the same,
    and a warning says so once. An answer from the folder costs no ``dollars``.

    Args:
        backend: whom to ask.
        folder: where the answers lie; made if it does not exist.

    Raises:
        CreditGymError: the folder cannot be made.
    """

    def __init__(self, backend: AsyncBackend, folder: str | Path) -> None:
        super().__init__(backend)
        self._folder = Path(folder)
        self._writes = True
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CreditGymError(
                f"The response cache cannot use {self._folder}: {error.strerror}; name a folder that can be written."
            ) from None

    async def complete(self, request: Request, /) -> Completion:
        """Answer one request.

        Raises:
            BackendError: the answer is not there and the backend failed.
        """
        path = self._path(request)
        found = _read(path)
        if found is not None:
            return found
        completion = await self.backend.complete(request)
        self._keep(path, request, completion)
        return completion

    def _keep(self, path: Path, request: Request, completion: Completion) -> None:
        try:
            _write(path, {"request": asdict(request), "completion": asdict(completion)})
        except OSError as error:
            if self._writes:
                self._writes = False
                warnings.warn(
                    f"The response cache {self._folder} cannot be written ({error.strerror}): answers are used and not "
                    f"kept.",
                    stacklevel=2,
                )

    def _path(self, request: Request) -> Path:
        asked = {name: value for name, value in asdict(request).items() if value or name not in _LATER}
        described = json.dumps([self.name, asked], sort_keys=True)
        key = hashlib.sha256(described.encode()).hexdigest()
        return self._folder / key[:2] / f"{key[2:]}.json"


def _read(path: Path) -> Completion | None:
    try:
        kept = read_json(file_text(path))["completion"]
        sequences = {name: tuple(kept.get(name, ())) for name in _SEQUENCES}
        usage = {name: 0.0 if name == "dollars" else float(value) for name, value in kept["usage"].items()}
        positions = tuple(Position(text, tuple(map(tuple, ranked))) for text, ranked in kept.get("positions", ()))
        found = Completion(**{**kept, **sequences, "usage": usage, "positions": positions})
        return found if isinstance(found.text, str) else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _write(path: Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(record, file)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
