"""Keeping what was played: an episode that cannot be stored as it is costs its own outcome, never the run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from credit_gym.data.columns import COLUMNS
from credit_gym.data.episode import Episode
from credit_gym.errors import StoreError
from credit_gym.store.run_store import Store

_NO_SUCH_VALUE = (TypeError, ValueError, OverflowError)
_EXTRAS: dict[str, Any] = {column.name: None for column in COLUMNS if column.nullable and column.kind != "episode"}


def keep(store: Store, run_id: str, episode: Episode) -> None:
    """Commit one episode; where a value in it cannot be stored, commit its steps alone, with the reason in ``error``.

    Raises:
        StoreError: the run has an episode of that id already, or the disk refuses.
    """
    try:
        store.add_episode(run_id, episode)
    except StoreError as error:
        if not isinstance(_root(error), _NO_SUCH_VALUE):
            raise
        reason = episode.error or f"{type(error).__name__}: {error}"
        store.add_episode(run_id, replace(episode, error=reason, usage={}, **_EXTRAS))


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
