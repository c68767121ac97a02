"""Grow replay trees in worker processes, on this machine or on a cluster, with Ray.

The trees are those that :func:`credit_gym.agents.replay.tree.grow_trees` grows, to the byte: a tree depends on nothing
but its question.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from credit_gym.agents.core import Agent
from credit_gym.agents.replay.allocation import Allocation
from credit_gym.agents.replay.ledger import Ledger
from credit_gym.agents.replay.points import Point, Tree
from credit_gym.agents.replay.tree import ReplayTree
from credit_gym.agents.rollout.ray_tasks import Work, Workers, cluster, map_chunks
from credit_gym.agents.rollout.turns import MakeEnv
from credit_gym.errors import BackendError, CreditGymError


def grow_on_ray(
    make_env: MakeEnv,
    make_agent: Callable[[], Agent],
    allocation: Allocation | None = None,
    *,
    questions: int,
    seed: int = 0,
    width: int = 64,
    workers: Workers,
    chunk: int = 4,
    merge_duplicates: bool = False,
    ledger: Ledger | None = None,
) -> list[Tree]:
    """Grow the trees of questions ``0..questions-1``; see :func:`credit_gym.agents.replay.tree.grow_trees`.

    A Ray that is running (initialised by the caller, or named by ``RAY_ADDRESS``) is used, else one is started here.
    The tree of a question that keeps killing its worker is a root with the error.

    Args:
        make_env: builds one environment; both functions are sent to the workers.
        make_agent: builds the agent, once per worker.
        allocation: where to branch.
        questions: how many trees.
        seed: fixes everything.
        width: most plays of one tree in flight together.
        workers: who grows them.
        chunk: trees per chunk.
        merge_duplicates: whether to play equal draws once.
        ledger: counts all of them together; it cannot limit what other processes spend.

    Returns:
        The trees, in the order of the questions.

    Raises:
        MissingExtraError: Ray is not installed.
        CreditGymError: the ledger has limits, the environment cannot be forked, or a count is too small.
    """
    total = Ledger() if ledger is None else ledger
    if total.limits:
        raise CreditGymError("The limits of a ledger hold within one process: leave them out, or grow trees locally.")
    if chunk < 1:
        raise CreditGymError("chunk must be at least 1.")
    grower = partial(ReplayTree, allocation=allocation, seed=seed, width=width, merge_duplicates=merge_duplicates)

    def lost(question: int, error: Exception) -> _Grown:
        def died(**_: Any) -> NoReturn:
            raise BackendError(f"the process that grew this tree died every time ({type(error).__name__})")

        with closing(make_env()) as env:
            here = grower(env, make_agent())
            here.env.reset = died
            return _Grown.of(question, here)

    chunks = deque[Sequence[int]](range(start, min(start + chunk, questions)) for start in range(0, questions, chunk))
    trees: dict[int, Tree] = {}
    job = partial(tree_job, make_env, make_agent, grower)
    with cluster(workers) as ray:
        for arrived in map_chunks(ray, job, chunks, workers, lost=lost):
            for grown in arrived:
                trees[grown.question] = grown.tree()
                for name, amount in grown.spent.items():
                    total.note(name, amount)
    return [trees[question] for question in sorted(trees)]


@contextmanager
def tree_job(
    make_env: MakeEnv, make_agent: Callable[[], Agent], grower: Callable[..., ReplayTree]
) -> Iterator[Work[int, _Grown]]:
    """In a worker: grows chunks of trees; the agent and the environment are kept from chunk to chunk."""
    with closing(make_env()) as env:
        here = grower(env, make_agent())
        yield lambda questions: [_Grown.of(question, here) for question in questions]


@dataclass(frozen=True, slots=True)
class _Grown:
    """A tree on its way between processes: its points in a list, because a pickle of linked ones would be too deep.

    Attributes:
        question: its number.
        bare: the tree, whose points are not linked.
        points: all of them, each before those below it.
        parents: where in the list the parent of each stands; -1 for the root.
        spent: what it cost.
    """

    question: int
    bare: Tree
    points: list[Point]
    parents: list[int]
    spent: dict[str, float]

    @classmethod
    def of(cls, question: int, grower: ReplayTree) -> _Grown:
        """Grow a tree and take it apart."""
        ledger = grower.ledger = Ledger()
        tree = grower.grow(question)
        points = list(tree.points())
        at = {id(point): number for number, point in enumerate(points)}
        parents = [-1 if point.parent is None else at[id(point.parent)] for point in points]
        for point in points:
            point.parent = point.snapshot = None
            point.after = [[] for _ in point.after]
        return cls(question, tree, points, parents, ledger.spent)

    def tree(self) -> Tree:
        """Return the tree, its points linked again."""
        for point, parent in zip(self.points, self.parents, strict=True):
            if parent >= 0:
                point.parent = self.points[parent]
                point.parent.after[point.draw].append(point)
        return self.bare
