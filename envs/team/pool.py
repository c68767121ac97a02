"""A pool of worker processes that start when they are needed, and end with their owner."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar


class Worker(Protocol):
    """A worker process."""

    def alive(self) -> bool:
        """Whether it runs."""
        ...

    def stop(self) -> None:
        """Kill it and wait for its end; stopping twice is harmless."""
        ...


W = TypeVar("W", bound=Worker)


class WorkerPool(Generic[W]):
    """Lends at most so many workers at a time to any number of threads.

    A fork of the owning process starts workers of its own: it shares none with its parent and ends none of them.

    Args:
        start: starts a worker.
        size: workers at the same time.
    """

    def __init__(self, start: Callable[[], W], size: int) -> None:
        self._start = start
        self._size = size
        self._alive: list[W] = []
        self._own()
        weakref.finalize(self, _stop_all, self._alive)

    @contextmanager
    def lend(self) -> Iterator[W]:
        """Lend a worker; one whose use ends with an exception is stopped, for nobody knows what state it is in."""
        if self._owner != os.getpid():
            self._alive.clear()
            self._own()
        with self._slots:
            with self._lock:
                worker = self._idle.pop() if self._idle else None
                if worker is not None and not worker.alive():  # somebody killed it while it did nothing
                    self._alive.remove(worker)
                    worker.stop()
                    worker = None
            if worker is None:
                worker = self._start()
                with self._lock:
                    self._alive.append(worker)
            try:
                yield worker
            except BaseException:
                with self._lock:
                    self._alive.remove(worker)
                worker.stop()
                raise
            with self._lock:
                self._idle.append(worker)

    def close(self) -> None:
        """Stop every worker; the next loan starts new ones."""
        if self._owner == os.getpid():
            with self._lock:
                self._idle.clear()
                _stop_all(self._alive)

    def _own(self) -> None:
        self._owner = os.getpid()
        self._idle: list[W] = []
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(self._size)


def _stop_all(workers: list[W]) -> None:
    while workers:
        workers.pop().stop()
