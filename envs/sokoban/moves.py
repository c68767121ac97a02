"""Reading what a player writes: one move, or a list of them in the two published forms."""

from __future__ import annotations

from credit_gym.envs.sokoban.room import MOVES

_NUMBERS = {move.lower(): number for number, move in enumerate(MOVES)}
_LONGEST_MOVE = 64  # characters, blanks around it included


def read_move(action: str) -> int | None:
    """Return the number of a move, in any case and with blanks around it; None for anything else."""
    return _NUMBERS.get(action[:_LONGEST_MOVE].strip().lower()) if len(action) <= _LONGEST_MOVE else None


def read_moves(action: str, most: int) -> tuple[list[int], bool]:
    """Return the moves of a list, as ``Up, Up, Left`` or ``Up || Up || Left``, and whether it has more than ``most``.

    A word that is no move makes the list empty; what comes after the last that counts is not read.
    """
    words = action.replace("||", ",").split(",", most)
    moves = [move for word in words[:most] if (move := read_move(word)) is not None]
    return (moves if len(moves) == len(words[:most]) else []), len(words) > most


def write_moves(moves: list[int]) -> str:
    """Return moves as a list is written."""
    return ", ".join(MOVES[move] for move in moves)
