"""Rooms: their pictures, their moves, how far they are from solved, and that all that is made here can be solved."""

from __future__ import annotations

import math
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_gym import rng
from credit_gym.envs.sokoban.distances import Distances, bound, distances, stuck
from credit_gym.envs.sokoban.generate import make_room
from credit_gym.envs.sokoban.levels import read_levels
from credit_gym.envs.sokoban.room import MOVES, Position, Room, cells_of, read_room
from credit_gym.errors import CreditGymError, ManifestError

SIZES = [(5, 5, 1), (6, 6, 1), (6, 6, 2), (7, 6, 2), (8, 8, 3)]

CORRIDOR = """
#######
#PX__O#
#######
"""


def made(index: int, size: tuple[int, int, int] = (6, 6, 2), split: str = "train") -> tuple[Room, Position]:
    width, height, boxes = size
    return make_room(split, index, width, height, boxes, 3, 0)


def somewhere(room: Room, seed: int) -> Position:
    """A position of a room drawn from a seed, whether or not it can be reached or solved."""
    floor = list(cells_of(room.floor))
    drawn = sorted(floor, key=lambda cell: rng.derive(seed, cell))
    count = room.targets.bit_count()
    return Position(drawn[0], sum(1 << cell for cell in drawn[1 : count + 1]))


def searched(room: Room, start: Position) -> float:
    """The distance by search from the position itself."""
    seen, edge = {start: 0}, deque([start])
    while edge:
        here = edge.popleft()
        if room.solved(here):
            return seen[here]
        for move in range(len(MOVES)):
            after = room.after(here, move)
            if after is not None and after not in seen:
                seen[after] = seen[here] + 1
                edge.append(after)
    return math.inf


def test_a_corridor_by_hand() -> None:
    room, start = read_room(CORRIDOR)
    assert start == Position(8, 1 << 9)
    assert room.picture(start) == CORRIDOR.strip()
    assert [room.after(start, move) for move in range(4)] == [None, None, None, Position(9, 1 << 10)]
    end = Position(11, 1 << 12)
    assert room.picture(end) == "#######\n#___P√#\n#######"
    assert room.solved(end)
    assert room.picture(Position(12, 1 << 10)) == "#######\n#__X_S#\n#######"
    exact = Distances(room)
    assert exact[start] == 3.0
    assert exact[Position(10, 1 << 9)] == math.inf  # from the wrong side
    assert exact[end] == 0.0
    assert bound(room, start.boxes) == 3.0


def test_two_boxes_in_a_row_do_not_move() -> None:
    room, start = read_room("#######\n#PXX_O#\n###O###\n#######")
    assert room.after(start, MOVES.index("Right")) is None


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("split", ["train", "test"])
def test_every_room_is_solved_by_going_down_its_distances(size: tuple[int, int, int], split: str) -> None:
    for index in range(20):
        room, position = made(index, size, split)
        exact = distances(room)
        assert not position.boxes & room.targets
        if exact is None:
            continue
        assert 3 <= exact[position] < math.inf
        while not room.solved(position):
            ways = [after for move in range(4) if (after := room.after(position, move))]
            after = min(ways, key=exact.__getitem__)
            assert exact[after] == exact[position] - 1
            position = after


@given(st.integers(0, 30), st.integers(0, 2**32), st.sampled_from(SIZES))
def test_the_distance_is_what_a_search_from_the_position_finds(
    index: int, seed: int, size: tuple[int, int, int]
) -> None:
    room, _ = made(index, size)
    exact, position = distances(room), somewhere(room, seed)
    if exact is not None:
        assert exact[position] == searched(room, position)
        assert bound(room, position.boxes) <= exact[position]
        assert not stuck(room, position.boxes) or exact[position] == math.inf


@given(st.integers(0, 30), st.integers(0, 2**32))
def test_a_picture_is_read_back_as_the_room_that_it_shows(index: int, seed: int) -> None:
    room, _ = made(index)
    position = somewhere(room, seed)
    shown, there = read_room(room.picture(position))
    assert shown.picture(there) == room.picture(position)
    assert there == position
    assert shown.targets == room.targets


@given(st.integers(0, 30), st.integers(0, 2**32))
def test_what_leads_to_a_position_is_what_moves_there(index: int, seed: int) -> None:
    room, _ = made(index)
    position = somewhere(room, seed)
    for move, earlier in room.before(position):
        assert room.after(earlier, move) == position
    for move in range(4):
        after = room.after(position, move)
        assert after is None or (move, position) in list(room.before(after))


def test_what_a_person_sees_to_be_a_deadlock_is_seen() -> None:
    cornered, start = read_room("######\n#X__P#\n#___O#\n######")
    assert stuck(cornered, start.boxes)
    square, start = read_room("######\n#OO__#\n#_XX_#\n#____#\n#P___#\n######")
    assert not stuck(square, start.boxes)
    pair, start = read_room("#######\n#_P___#\n#_XX__#\n#_XX__#\n#OOOO_#\n#######")
    assert stuck(pair, start.boxes)


def test_no_room_is_in_both_splits_and_a_seed_fixes_every_room() -> None:
    pictures = {
        split: [room.picture(start) for room, start in (made(index, split=split) for index in range(60))]
        for split in ("train", "test")
    }
    assert not set(pictures["train"]) & set(pictures["test"])
    make_room.cache_clear()
    assert pictures["test"] == [room.picture(start) for room, start in (made(i, split="test") for i in range(60))]
    assert len(set(pictures["train"])) > 50


def test_boxes_that_do_not_fit_are_one_sentence() -> None:
    with pytest.raises(CreditGymError, match="take fewer boxes or moves, or a larger room"):
        make_room("train", 0, 5, 5, 6, 3, 0)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        ("####\n#PO\n####", "equally long"),
        ("#####\n#PZO#\n#####", "no symbol 'Z'"),
        ("#####\n#_XO#\n#####", "one player, not 0"),
        ("#####\n#P_O#\n#####", "as many boxes as targets, not 0 and 1"),
        ("#####\n#PXO_\n#####", "walls all around"),
        ("#######\n#PX_O##\n#####X#\n#####O#\n#######", "where the player is"),
        ("", "one player, not 0"),
    ],
)
def test_a_picture_that_is_no_room_is_one_sentence(picture: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        read_room(picture)


def test_published_files_of_levels_are_read(tmp_path) -> None:
    path = tmp_path / "levels.txt"
    path.write_text("; 0\n#####\n#@$.#\n#####\n\n; 1\n  ####\n###  #\n#+$* #\n######\n")
    (first, start), (second, there) = read_levels(path)
    assert first.picture(start) == "#####\n#PXO#\n#####"
    assert second.picture(there) == "######\n###__#\n#SX√_#\n######"
    path.write_text("; 0\n#####\n#@$.#\n#####\n\n; 1\n#####\n#@$ #\n#####\n")
    with pytest.raises(ManifestError, match="Room 1: A room has as many boxes as targets"):
        read_levels(path)
    path.write_text("; nothing\n")
    with pytest.raises(ManifestError, match="has no room in it"):
        read_levels(path)
