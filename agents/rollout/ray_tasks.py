"""Tasks for worker processes, on this machine or on a cluster, with Ray: bounded, and done again where a worker died.

Whatever is spread this way (episodes, replay trees, passes of a model) is cut into items that depend on nothing but
themselves, so results do not depend on who computes them. Workers take chunks of items, at most two chunks a worker are
under way, and a chunk comes back whole through Ray's object store to the one process that keeps results. One that was
lost with its worker is done again: a worker that is killed loses nothing and doubles nothing.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import uuid4

from credit_gym.errors import CreditGymError, missing_extra

T = TypeVar("T")
R = TypeVar("R")
Work: TypeAlias = Callable[[Sequence[T]], list[R]]
"""Does a chunk of items in a worker."""
Job: TypeAlias = Callable[[], AbstractContextManager[Work[T, R]]]
"""Sets a worker up for its first chunk; it is sent there, so it must not hold on to anything of this process."""

_CHUNKS_PER_WORKER = 2  # one is done while the next one waits beside it
_RETRIES = 1  # of a chunk whose worker died, before its items are tried one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """How many worker processes, and what Ray sets aside for each.

    Attributes:
        count: chunks done at the same time.
        cpus: CPUs of one worker; PyTorch uses as many threads.
        gpus: GPUs of one worker; 0.5 lets two share one.
    """

    count: int = 2
    cpus: int = 1
    gpus: float = 0.0

    def __post_init__(self) -> None:
        if self.count < 1 or self.cpus < 1 or self.gpus < 0:
            raise CreditGymError("There must be at least one worker, with at least one CPU and no fewer than 0 GPUs.")


@contextmanager
def cluster(workers: Workers) -> Iterator[Any]:
    """Yield Ray, running: the one that the caller initialised or ``RAY_ADDRESS`` names, else one that is started here.

    What was started here is stopped afterwards.

    Raises:
        MissingExtraError: Ray is not installed.
        CreditGymError: Ray is started here, and this machine has too few GPUs for even one worker.
    """
    try:
        import ray
    except ImportError:
        raise missing_extra("ray", "ray") from None
    if ray.is_initialized():
        yield ray
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    here = {"num_cpus": workers.count * workers.cpus, "include_dashboard": False}
    local: dict[str, Any] = {} if os.environ.get("RAY_ADDRESS") else here
    ray.init(log_to_driver=False, logging_level=logging.ERROR, **local)
    try:
        if local and workers.gpus > (gpus := _gpus(ray)):  # elsewhere a node that has them may yet join
            raise CreditGymError(
                f"A worker wants {workers.gpus:g} GPU, but this machine has {gpus:g}: give a worker less."
            )
        yield ray
    finally:
        ray.shutdown()


def map_chunks(
    ray: Any,
    job: Job[T, R],
    chunks: deque[Sequence[T]],
    workers: Workers,
    *,
    lost: Callable[[T, Exception], R],
) -> Generator[list[R], None, None]:
    """Yield what becomes of each chunk, as they are done.

    Args:
        ray: from :func:`cluster`.
        job: what a worker does; kept in the worker from chunk to chunk.
        chunks: what is to be done. They are taken from the left when a worker has room, so that clearing them ends
            the work after what is under way.
        workers: who does it.
        lost: what becomes of an item whose worker died whenever it was tried.

    Raises:
        Exception: what the job raised in a worker.
    """
    task = ray.remote(num_cpus=workers.cpus, num_gpus=workers.gpus, max_retries=_RETRIES)(_done)
    shared = ray.put(_Shared(uuid4().hex, job))
    under_way: dict[Any, Sequence[T]] = {}
    try:
        while chunks or under_way:
            while chunks and len(under_way) < workers.count * _CHUNKS_PER_WORKER:
                items = chunks.popleft()
                under_way[task.remote(shared, items)] = items
            (ready, *_), _ = ray.wait(list(under_way))
            items = under_way.pop(ready)
            try:
                results = ray.get(ready)
            except ray.exceptions.RayTaskError as error:
                raise (error.cause or error) from None
            except ray.exceptions.RayError as error:  # its worker died, again and again
                if len(items) > 1:
                    chunks.extendleft([item] for item in reversed(items))
                    continue
                results = [lost(items[0], error)]
            yield results
    finally:
        for ref in under_way:
            ray.cancel(ref, force=True)


def _gpus(ray: Any) -> float:
    return float(ray.cluster_resources().get("GPU", 0.0))


@dataclass(frozen=True)
class _Shared(Generic[T, R]):
    """A job by a name of its own."""

    key: str
    job: Job[T, R]


_at_work: dict[str, tuple[AbstractContextManager[Any], Work[Any, Any]]] = {}
"""In a worker: the job that it was set up for."""


def _done(shared: _Shared[T, R], items: Sequence[T]) -> list[R]:
    if shared.key not in _at_work:
        while _at_work:
            _at_work.popitem()[1][0].__exit__(None, None, None)
        context = shared.job()
        _at_work[shared.key] = context, context.__enter__()
    return _at_work[shared.key][1](items)
