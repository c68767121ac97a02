"""A grown replay tree: its points, and the same tree as episodes and as buckets of comparable returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from credit_gym.agents.core import Due
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import FloatArray
from credit_gym.metrics.bucket import Bucket
from credit_gym.wrappers.recorder import Recorder


@dataclass(eq=False, slots=True)
class Point:
    """A moment of the game: the root, or what one play of one drawn action led to.

    Attributes:
        observation: what the environment said.
        info: its info.
        seed: 64 bits that everything drawn from here on derives from.
        parent: the point before; None at the root.
        draw: which draw at the parent led here, and
        replay: which of its replays.
        action: the action that led here, empty at the root.
        reward: what it earned.
        stream: state that the environment's random stream was given for it; None if it has no such stream.
        terminated: the environment ended the episode.
        truncated: a limit ended it.
        error: why it could not go on, None if it could.
        spine: whether it lies on the tree's first episode.
        history: the turns before, as the agent sees them.
        earlier: what it was told of the actions of them.
        after: draw -> the points that its replays led to.
        copies: draw -> how many independent draws gave this action (more than 1 only where duplicates are merged).
        snapshot: the environment's state, kept while the point may be played from.
    """

    observation: str
    info: Mapping[str, Any]
    seed: int
    parent: Point | None = None
    draw: int = 0
    replay: int = 0
    action: str = ""
    reward: float = 0.0
    stream: int | None = None
    terminated: bool = False
    truncated: bool = False
    error: str | None = None
    spine: bool = True
    history: tuple[tuple[str, str], ...] = ()
    earlier: tuple[Due, ...] = ()
    after: list[list[Point]] = field(default_factory=list)
    copies: list[int] = field(default_factory=list)
    snapshot: Any = None

    @property
    def depth(self) -> int:
        """Number of actions taken before."""
        return len(self.history)

    @property
    def over(self) -> bool:
        """Whether nothing can be played from here."""
        return self.terminated or self.truncated or self.error is not None


@dataclass(frozen=True, eq=False)
class Tree:
    """One grown tree.

    Attributes:
        tree_id: its id, the group of its episodes.
        root: the first point.
        env_id: the environment.
        agent_id: who played.
        seed: seed of the reset, and
        options: its options.
        verifier: whether the episodes carry the verifier's readings.
        product: whether it branches everywhere alike (:class:`~credit_gym.agents.replay.allocation.Allocation`).
    """

    tree_id: str
    root: Point
    env_id: str
    agent_id: str
    seed: int
    options: Mapping[str, Any] | None
    verifier: bool
    product: bool

    def episodes(self) -> list[Episode]:
        """Return one episode per leaf, in the order of the draws, laid out for :mod:`credit_gym.estimation.siblings`.

        Where duplicates were merged, what was played once is listed once for every draw of it. ``usage`` stands with
        the first episode that lists a step, so that sums over episodes count nothing twice. A branch that failed is an
        episode with an ``error``.
        """
        recorder = Recorder(self.env_id, verifier=self.verifier)
        charged: set[int] = set()
        return [
            self._episode(recorder, path, parents, number, charged)
            for number, (path, parents) in enumerate(_leaves(self.root))
        ]

    def buckets(self, symbol: Callable[[str], str] = str) -> list[Bucket]:
        """Return every point where at least two actions were drawn, with the returns that followed each.

        Args:
            symbol: turns the message that follows a play into what influence is measured on, such as the number in it.
        """
        return [self.bucket(point, symbol) for point in self.points() if sum(point.copies) > 1]

    def bucket(self, point: Point, symbol: Callable[[str], str] = str) -> Bucket:
        """Return a point's draws with the returns to come that followed each; failed plays are left out."""
        draws = []
        for action, plays, copies in zip(actions(point), point.after, point.copies, strict=True):
            ends = [end for play in plays for end in (_ends(play) if self.product else (_main_end(play),))]
            completed = [end for end in ends if end.error is None]
            if completed:
                returns = tuple(_earned(end, point) for end in completed)
                answers = tuple(symbol(_second_action(end, point)) for end in completed)
                draws += [(action, returns, answers)] * copies
        return Bucket(
            question=self.tree_id,
            context=f"{self.tree_id}:{'.'.join(_digits(point))}",
            step=point.depth,
            role=str(point.info.get("role", "")),
            state_key=str(point.info.get("state_key", point.observation)),
            actions=tuple(draw[0] for draw in draws),
            returns=tuple(draw[1] for draw in draws),
            answers=tuple(draw[2] for draw in draws),
        )

    def spine(self) -> list[Point]:
        """Return the points of the tree's first episode, the root first."""
        found = [self.root]
        while found[-1].after and found[-1].after[0]:
            found.append(found[-1].after[0][0])
        return found

    def points(self) -> Iterator[Point]:
        """Yield all points, each before those below it."""
        waiting = [self.root]
        while waiting:
            point = waiting.pop()
            yield point
            waiting += [play for plays in reversed(point.after) for play in reversed(plays)]

    def _episode(
        self, recorder: Recorder, path: Sequence[Point], parents: tuple[int, ...], number: int, charged: set[int]
    ) -> Episode:
        recorder.start(self.root.observation, self.root.info, seed=self.seed)
        usage: dict[str, float] = {}
        for point in path:
            recorder.add(
                point.action,
                point.observation,
                point.reward,
                point.info,
                terminated=point.terminated,
                truncated=point.truncated,
            )
            if id(point) not in charged:
                charged.add(id(point))
                for name, amount in getattr(point.action, "usage", {}).items():
                    usage[name] = usage.get(name, 0.0) + amount
        end = path[-1] if path else self.root
        episode = recorder.finish(
            episode_id=f"{self.tree_id}-{number}",
            group_id=self.tree_id,
            agent_id=self.agent_id,
            error=end.error,
        )
        return replace(episode, parents=parents[: len(episode)], usage=usage)


def as_batch(trees: Sequence[Tree]) -> EpisodeBatch:
    """Return the completed episodes of some trees as one batch, a group a tree."""
    return EpisodeBatch.from_episodes(e for tree in trees for e in tree.episodes() if e.error is None)


def actions(point: Point) -> list[str]:
    """Return the distinct draws at a point, in order."""
    return [str(plays[0].action) for plays in point.after]


def main_returns(point: Point) -> FloatArray | None:
    """Return the (draws, replays) returns to come of the plays at a point, None where one of them failed."""
    ends = [[_main_end(play) for play in plays] for plays in point.after]
    if any(end.error is not None for plays in ends for end in plays) or len({len(plays) for plays in ends}) != 1:
        return None
    return np.array([[_earned(end, point) for end in plays] for plays in ends])


def _leaves(root: Point) -> Iterator[tuple[list[Point], tuple[int, ...]]]:
    """Every path to a leaf with the points that its steps were taken at; merged draws are listed once a copy."""
    number = 0
    waiting: list[tuple[Point, list[Point], tuple[int, ...], int]] = [(root, [], (), -1)]
    while waiting:
        point, path, parents, at = waiting.pop()
        if not point.after:
            yield path, parents
            continue
        below = []
        for plays, copies in zip(point.after, point.copies, strict=True):
            for _ in range(copies):
                for play in plays:
                    below.append((play, [*path, play], (*parents, at), number))
                    number += 1
        waiting += reversed(below)


def _ends(play: Point) -> Iterator[Point]:
    """The leaves at and below a play, merged draws once a copy."""
    for path, _ in _leaves(play):
        yield path[-1] if path else play


def _main_end(point: Point) -> Point:
    """The leaf that the first replay of the first draw leads to, all the way down."""
    while point.after:
        point = point.after[0][0]
    return point


def _earned(end: Point, start: Point) -> float:
    return sum(point.reward for point in _between(end, start))


def _second_action(end: Point, start: Point) -> str:
    """What was done after the play at ``start``, empty if that ended the episode."""
    path = [*_between(end, start)]
    return str(path[-2].action) if len(path) > 1 else ""


def _between(end: Point, start: Point) -> Iterator[Point]:
    """The points after ``start`` up to ``end``, last first."""
    point: Point | None = end
    while point is not None and point is not start:
        yield point
        point = point.parent


def _digits(point: Point) -> list[str]:
    """Draw (and replay, where it is not the first) at every step of the way to a point."""
    steps = []
    while point.parent is not None:
        steps.append(f"{point.draw}r{point.replay}" if point.replay else str(point.draw))
        point = point.parent
    return steps[::-1]
