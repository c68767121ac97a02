"""What a turn of a questioning game earns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["answered", "invalid", "repeated", "unanswered", "won", "lost"]


class Turn(NamedTuple):
    """One question and what became of it.

    Attributes:
        action: what the agent wrote.
        text: what it was told.
        kind: ``answered``; ``invalid`` (refused); ``repeated`` (asked before); ``unanswered`` (whoever answers failed:
            never charged to the agent); ``won`` or ``lost`` (it ended the game).
        key: which question it was, the same for two wordings of one question; empty for what changes nothing.
    """

    action: str
    text: str
    kind: Kind
    key: str = ""


TurnReward: TypeAlias = Callable[[Turn, int, bool], float]
"""``(turn, turns charged so far including it, whether the game is over) -> reward``."""


@dataclass(frozen=True)
class Weights:
    """Weights of the published reward (bethgelab/delta-belief-rl, ``base_multiturn.yaml``).

    Attributes:
        win: added once, for a won game.
        length: times the number of turns, in games longer than one turn.
        invalid: added for every invalid turn.
        repeated: added for every repeated turn; a turn can be both.
        valid: added for every turn that is neither.
    """

    win: float = 2.0
    length: float = -0.05
    invalid: float = -5.0
    repeated: float = -1.0
    valid: float = 0.0

    def penalty(self, *, invalid: bool, repeated: bool) -> float:
        """Return what one turn earns for its form alone."""
        return invalid * self.invalid + repeated * self.repeated + (not invalid and not repeated) * self.valid

    def end_of_game(self, turns: int, *, won: bool) -> float:
        """Return the end-of-game term ``eog = win * won + length * N`` (the second for N > 1)."""
        return self.win * won + (self.length * turns if turns > 1 else 0.0)


UPSTREAM = Weights()


def outcome(turn: Turn, charged: int, over: bool) -> float:
    """Return 1 for the turn that won, else 0."""
    return float(turn.kind == "won")


def upstream(turn: Turn, charged: int, over: bool) -> float:
    """Return the turn's penalty, and on the last turn the end-of-game term: they sum to StarPO's return of the game."""
    if turn.kind == "unanswered":
        penalty = 0.0
    else:
        invalid = turn.kind == "invalid" or turn.action.count("?") > 1
        penalty = UPSTREAM.penalty(invalid=invalid, repeated=turn.kind == "repeated")
    return penalty + (UPSTREAM.end_of_game(charged, won=turn.kind == "won") if over else 0.0)


REWARDS: dict[str, TurnReward] = {"outcome": outcome, "upstream": upstream}


def broadcast(rewards: Sequence[float], *, won: bool, weights: Weights = UPSTREAM) -> list[float]:
    """Return the turn rewards that turn-wise GRPO trains on: the end-of-game term is given to *every* turn.

    Args:
        rewards: (N,) rewards of one game under ``upstream``, all of whose turns were charged.
        won: whether the game was won.
        weights: the weights that they were made with.

    Returns:
        (N,) ``penalty_t + eog`` (delta-belief specification: reward of a turn without its belief term).
    """
    end = weights.end_of_game(len(rewards), won=won)
    return [reward if number == len(rewards) else reward + end for number, reward in enumerate(rewards, 1)]
