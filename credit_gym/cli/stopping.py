"""A command that is stopped says so in its store: by Ctrl-C, by SIGTERM, by a full disk."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

from credit_gym.errors import StoreError

if TYPE_CHECKING:
    from credit_gym.store import Store


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends the work as Ctrl-C does."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Run a block in which SIGTERM raises :class:`Terminated` in the main thread."""
    outer: Any = None
    if threading.current_thread() is threading.main_thread():
        outer = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        if outer is not None:
            signal.signal(signal.SIGTERM, outer)


@contextmanager
def marking_the_stopped(store: Store) -> Iterator[None]:
    """Run a block; where it does not come to its end, runs that are under way are marked interrupted or stopped.

    Meanwhile SIGTERM raises :class:`Terminated` in the main thread. Whoever calls this holds the folder alone.
    """
    with stoppable():
        try:
            yield
        except BaseException as error:
            with suppress(StoreError):  # where nothing can be written, the listing still finds that nobody plays
                _mark(store, "interrupted" if type(error) is KeyboardInterrupt else "stopped")
            raise


def exit_code(error: KeyboardInterrupt) -> int:
    """Return the exit code of a command that was stopped by a signal."""
    return 128 + (signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT)


def _terminate(*_: object) -> NoReturn:
    raise Terminated


def _mark(store: Store, status: str) -> None:
    for record in store.runs():
        if record.status == "running":
            store.finish_run(record.run_id, status)
