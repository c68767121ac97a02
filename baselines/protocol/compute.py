"""Where a baseline's work is done: in this process, or by worker processes on Ray."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from credit_gym.agents.core import Agent
from credit_gym.agents.replay.allocation import Allocation
from credit_gym.agents.replay.points import Tree
from credit_gym.agents.replay.tree import grow_trees
from credit_gym.agents.rollout.turns import MakeEnv
from credit_gym.errors import CreditGymError, unknown

if TYPE_CHECKING:
    from credit_gym.agents.likelihood.divergence import Diverge
    from credit_gym.agents.likelihood.forest import TokenSequence
    from credit_gym.agents.likelihood.language_model import LanguageModel
    from credit_gym.agents.likelihood.logprobs import Columns, Compute
    from credit_gym.agents.likelihood.passes import Limits
    from credit_gym.agents.likelihood.score_cache import Table
    from credit_gym.agents.rollout.ray_tasks import Workers

ExecutorName = Annotated[str, typer.Option("--executor", help="local, or ray: worker processes, here or on a cluster.")]
ExecutorWorkers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Worker processes; of --executor local, trees at a time.")
]
ExecutorGpus = Annotated[float, typer.Option("--gpus", min=0, help="GPUs of each worker process.")]

Grow: TypeAlias = Callable[..., list[Tree]]
"""Grows trees: ``grow(make_env, make_agent, allocation, questions=, seed=, ledger=)``."""


@dataclass(frozen=True, slots=True)
class Executor:
    """One place to work.

    Attributes:
        grow: grows replay trees.
        compute: scores tokens, as ``score_tokens`` takes it, and
        diverge: compares two models, as ``token_divergence`` takes it; None is their own way.
    """

    grow: Grow
    compute: Compute | None = None
    diverge: Diverge | None = None


def open_executor(
    name: str, *, workers: int | None = None, cpus: int = 1, gpus: float = 0.0
) -> AbstractContextManager[Executor]:
    """Return an executor for a ``with`` statement.

    Args:
        name: a key of :data:`EXECUTORS`.
        workers: trees at a time here, by default 1; worker processes on Ray, by default one a CPU of this machine.
        cpus: of one worker process.
        gpus: of one worker process.

    Raises:
        UnknownNameError: there is no such executor.
        CreditGymError: GPUs are set aside without worker processes.
        MissingExtraError: Ray is not installed.
    """
    if name not in EXECUTORS:
        raise unknown("executor", name, EXECUTORS)
    if name == "local" and gpus:
        raise CreditGymError("Without worker processes there is nobody to give --gpus to: add --executor ray.")
    return EXECUTORS[name](workers, cpus, gpus)


def grow_here(
    make_env: MakeEnv, make_agent: Callable[[], Agent], allocation: Allocation, *, workers: int = 1, **options: Any
) -> list[Tree]:
    """Grow trees in this process; see :func:`credit_gym.agents.replay.tree.grow_trees`."""
    return grow_trees(make_env, make_agent(), allocation, workers=workers, **options)


@contextmanager
def _local(workers: int | None, *_: float) -> Iterator[Executor]:
    yield Executor(partial(grow_here, workers=workers or 1))


@contextmanager
def _ray(workers: int | None, cpus: int, gpus: float) -> Iterator[Executor]:
    from credit_gym.agents.replay.ray_replay import grow_on_ray
    from credit_gym.agents.rollout.ray_tasks import Workers, cluster

    crew = Workers(count=workers or os.cpu_count() or 1, cpus=cpus, gpus=gpus)
    with cluster(crew):  # one for all that is done
        yield Executor(partial(grow_on_ray, workers=crew), partial(_columns, crew), partial(_divergence, crew))


def _columns(crew: Workers, lm: LanguageModel, sequences: Sequence[TokenSequence], limits: Limits) -> list[Columns]:
    from credit_gym.agents.likelihood.ray_scoring import columns_on_ray  # loads PyTorch, which trees do without

    return columns_on_ray(lm, sequences, limits, workers=crew)


def _divergence(
    crew: Workers, policy: LanguageModel, reference: LanguageModel, sequences: Sequence[TokenSequence], limits: Limits
) -> list[Table]:
    from credit_gym.agents.likelihood.ray_scoring import divergence_on_ray

    return divergence_on_ray(policy, reference, sequences, limits, workers=crew)


EXECUTORS: Mapping[str, Callable[[int | None, int, float], AbstractContextManager[Executor]]] = {
    "local": _local,
    "ray": _ray,
}
"""Name -> executor, as the option ``--executor`` gives it."""
