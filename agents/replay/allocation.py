"""Where a replay tree branches: a fixed fan-out per depth, or decisions along one episode, evenly or by need."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple, Protocol

import numpy as np

from credit_gym.data.grouping import FloatArray
from credit_gym.errors import CreditGymError


class Branching(NamedTuple):
    """What happens at one point.

    Attributes:
        draws: actions drawn independently from the agent.
        replays: how many times each of them is played, every time with new randomness of the environment and of what
            follows.
    """

    draws: int = 1
    replays: int = 1


_ALONE = Branching()


class Allocation(Protocol):
    """Decides where a tree branches.

    Attributes:
        product: whether the tree branches everywhere alike, so that all leaves below a play are its continuations;
            else a play's continuation is the one that does not branch.
    """

    @property
    def product(self) -> bool:
        """See the class."""
        ...

    def at(self, depth: int, spine: bool) -> Branching:
        """Return the branching at a point ``depth`` actions below the root, on or off the episode that was first."""
        ...

    def more(self, returns: Sequence[FloatArray], calls: float) -> list[int]:
        """Return which branching points get one more replay of every draw.

        Args:
            returns: (n, c) returns seen so far at each of them.
            calls: evaluator calls that are left.

        Returns:
            Indices into ``returns``; empty when it is enough.
        """
        ...


@dataclass(frozen=True)
class FanOut:
    """``fanout[d]`` draws at every point of depth d, one below: the product tree that C3 trains on.

    Attributes:
        fanout: draws at each depth; (2, 4) is the published one for two roles.
    """

    fanout: tuple[int, ...] = (2, 4)
    product: bool = True

    def __post_init__(self) -> None:
        if not self.fanout or min(self.fanout) < 1:
            raise CreditGymError(f"A fan-out is a list of positive numbers such as 2,4, not {list(self.fanout)}.")

    @classmethod
    def parse(cls, text: str) -> FanOut:
        """Read ``2,4``, ``2 4``, ``2x4`` or ``[2, 4]``.

        Raises:
            CreditGymError: it is none of these.
        """
        parts = re.split(r"\s*[,x\s]\s*", text.strip().strip("[]()").strip())
        if not all(part.isdecimal() for part in parts):
            raise CreditGymError(f"A fan-out is a list of positive numbers such as 2,4, not {text!r}.")
        return cls(tuple(map(int, parts)))

    @property
    def leaves(self) -> int:
        """Evaluator calls a tree: the product of the fan-out."""
        return prod(self.fanout)

    @property
    def nodes(self) -> int:
        """Messages a tree, where every episode is as long as the fan-out: ``sum_d prod_{t<=d} f_t``."""
        return sum(prod(self.fanout[: depth + 1]) for depth in range(len(self.fanout)))

    def at(self, depth: int, spine: bool) -> Branching:
        """Return ``fanout[depth]`` draws."""
        return Branching(self.fanout[depth] if depth < len(self.fanout) else 1)

    def more(self, returns: Sequence[FloatArray], calls: float) -> list[int]:
        """Return nothing: the tree is fixed."""
        return []


@dataclass(frozen=True)
class PerDecision:
    """One episode is played, and at its decisions other actions are drawn and continued; its own is the first draw.

    Attributes:
        draws: n, the episode's own action included.
        replays: c, the episode's own continuation included.
        depths: the decisions to branch at; None branches at every one.
    """

    draws: int = 4
    replays: int = 1
    depths: Collection[int] | None = None
    product: bool = False

    def __post_init__(self) -> None:
        if self.draws < 1 or self.replays < 1:
            raise CreditGymError("A decision needs at least one draw and one replay.")

    def at(self, depth: int, spine: bool) -> Branching:
        """Return n draws and c replays on the episode, one of each off it."""
        branches = spine and (self.depths is None or depth in self.depths)
        return Branching(self.draws, self.replays) if branches else _ALONE

    def more(self, returns: Sequence[FloatArray], calls: float) -> list[int]:
        """Return nothing: the tree is fixed."""
        return []


@dataclass(frozen=True)
class Adaptive(PerDecision):
    """As :class:`PerDecision`, then more replays where they tell most, round by round.

    A decision whose plays all earned the same is done. Of the others, those get one more replay of every draw whose
    variance would fall most, ``s^2 / c - s^2 / (c + 1)``: all within a factor two of the largest, as far as calls go.

    Stopping where the plays agree shrinks the credit: with c first replays and d more where they disagreed, a decision
    that disagrees at first with probability p has ``E[A] = (c + p d) / (c + d) (Q - V)``, a factor that depends on the
    decision and is nearest to 1 where the outcome is least certain.

    Attributes:
        most: largest number of replays of a draw.
        budget: evaluator calls that one tree may take; None leaves that to the ledger.
    """

    most: int = 16
    budget: int | None = None

    def more(self, returns: Sequence[FloatArray], calls: float) -> list[int]:
        """Return the decisions whose estimates would gain most from another replay."""
        gain = np.array([_gain(values) if values.shape[1] < self.most else 0.0 for values in returns])
        chosen, left = [], calls
        if self.budget is not None:  # the first episode is a play of every decision, but was graded once
            left = min(left, self.budget - sum(values.size - 1 for values in returns) - 1)
        for index in np.argsort(-gain, kind="stable"):
            cost = returns[index].shape[0]
            if gain[index] > 0.0 and gain[index] >= 0.5 * gain.max() and cost <= left:
                chosen.append(int(index))
                left -= cost
        return sorted(chosen)


def _gain(values: FloatArray) -> float:
    """Fall of the variance of a draw's mean by one more replay; 0 where all plays agree."""
    replays = values.shape[1]
    if values.size == 0 or np.ptp(values) == 0.0:
        return 0.0
    return float(np.var(values) / (replays * (replays + 1)))
