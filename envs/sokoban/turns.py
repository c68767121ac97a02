"""What an action does: the rules of a game, and one turn by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from credit_gym.envs.sokoban.moves import read_move, read_moves, write_moves
from credit_gym.envs.sokoban.place import Place, Places
from credit_gym.envs.sokoban.room import MOVES, Position

GOAL = (
    "Push every box onto a target. # is a wall, _ floor, O a target, X a box, √ a box on a target, P you, S you on a "
    "target. You push a box by walking against it, one at a time; you cannot pull."
)
NO_MOVE = "That is no move."
NO_LIST = "That is no list of moves."
NOTHING_MOVES = "Nothing moves."

Form = Literal["one", "list"]
Reward = Literal["success", "published"]

_A_MOVE, _A_BOX, _THE_END = -0.1, 1.0, 10.0  # of gym-sokoban


@dataclass(frozen=True, slots=True)
class Rules:
    """How a room is played.

    Attributes:
        form: whether an action is one move or a list of them.
        most_moves: moves of a list that are made; 1 where an action is one.
        max_steps: actions of an episode.
        reward: ``success``: 1 when the room is solved; ``published``: -0.1 a move, 1 for a box that comes to lie on a
            target, -1 for one that leaves it, 10 when the room is solved.
    """

    form: Form
    most_moves: int
    max_steps: int
    reward: Reward

    @property
    def farthest(self) -> float:
        """The moves of an episode: so far from solved counts what cannot be solved any more."""
        return float(self.max_steps * self.most_moves)


class Turn(NamedTuple):
    """What came of an action."""

    position: Position
    observation: str
    reward: float
    verifier: float
    invalid: bool


def turn(rules: Rules, places: Places, here: Position, action: str) -> Turn:
    """Take an action, given as its text; what is no move, or moves nothing, is answered so and leaves all as it is.

    What is no move is ``invalid``; one against a wall is not, for it is a move all the same.
    """
    cut = False
    if rules.form == "list":
        moves, cut = read_moves(action, rules.most_moves)
    else:
        move = read_move(action)
        moves = [] if move is None else [move]
    before = places[here]
    if not moves:
        return Turn(here, f"{NO_LIST if rules.form == 'list' else NO_MOVE}\n{before.picture}", 0.0, 0.0, True)
    return _made(rules, places, here, moves, cut)


def advice(rules: Rules, places: Places, place: Place) -> list[str]:
    """Return what an expert would write: every best move, or for lists one shortest way as far as a list goes."""
    if rules.form == "one":
        return [MOVES[move] for move in place.best]
    way: list[int] = []
    while place.best and len(way) < rules.most_moves:
        way.append(place.best[0])
        place = places[place.moves[place.best[0]] or Position(0, 0)]
    return [write_moves(way)] if way else []


def _made(rules: Rules, places: Places, here: Position, moves: Sequence[int], cut: bool) -> Turn:
    """Make moves one after another until the room is solved; one that is not possible is passed over."""
    before = place = places[here]
    position, tried = here, 0
    for move in moves:
        tried += 1
        after = place.moves[move]
        if after is not None:
            position, place = after, places[after]
            if place.solved:
                break
    if position == here:
        observation = f"{NOTHING_MOVES}\n{place.picture}"
    elif cut and not place.solved:
        observation = f"Only the first {len(moves)} moves were made.\n{place.picture}"
    else:
        observation = place.picture
    reward = 1.0 if place.solved else 0.0
    if rules.reward == "published":
        reward = _A_MOVE * tried + _A_BOX * (place.placed - before.placed) + _THE_END * reward
    far = rules.farthest
    return Turn(position, observation, reward, min(before.left, far) - min(place.left, far), False)
