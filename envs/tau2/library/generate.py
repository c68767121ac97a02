"""The library's database: invented members, titles, loans, holds and rooms, the same ones for every task."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, TypeVar

from credit_gym import rng
from credit_gym.envs.tau2.database import Tables

TODAY = date(2031, 3, 3)
BRANCHES = ("Harbour", "Mill Lane", "Old Town")
SLOTS = ("09:00", "11:00", "14:00", "16:00")
MEMBERS, TITLES, ROOMS, BOOKINGS = 60, 80, 6, 40
POPULAR = "T024"
"""The last of the titles that members wait for."""

T = TypeVar("T")


class Dice:
    """Draws from one SplitMix64 stream.

    Args:
        parts: what the stream depends on.
    """

    def __init__(self, *parts: int) -> None:
        self._state = rng.derive(*parts)

    def below(self, n: int) -> int:
        """Return an integer from 0 to n-1."""
        self._state = rng.advance(self._state)
        return rng.mix(self._state) * n >> 64

    def pick(self, options: Sequence[T]) -> T:
        """Return one of some options."""
        return options[self.below(len(options))]

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """Return the options in a random order."""
        left = list(options)
        return [left.pop(self.below(len(left))) for _ in options]


@lru_cache(maxsize=4)
def make_tables(seed: int = 0) -> Tables:
    """Return the library's tables: ``members``, ``titles``, ``loans``, ``holds``, ``rooms`` and ``bookings``."""
    dice = Dice(0x11B, seed)
    titles = {row["title_id"]: row for row in _titles(dice)}
    members = {row["member_id"]: row for row in _members(dice)}
    loans: dict[str, Any] = {}
    holds: dict[str, Any] = {}
    for member in members.values():
        wanted = dice.shuffled(sorted(titles))
        for title_id in wanted[: 2 + dice.below(3)]:
            loan_id = f"L{len(loans) + 1:03d}"
            loans[loan_id] = {
                "loan_id": loan_id,
                "member_id": member["member_id"],
                "title_id": title_id,
                "title": titles[title_id]["title"],
                "due": str(TODAY + timedelta(days=1 + dice.below(20))),
                "renewals": dice.pick((0, 0, 1, 1, 2)),
                "status": "on loan",
            }
            member["loans"].append(loan_id)
        popular = [title_id for title_id in wanted[10:] if title_id <= POPULAR]
        for title_id in popular[: dice.pick((0, 1, 1, 2, 3))]:
            hold_id = f"H{len(holds) + 1:03d}"
            holds[hold_id] = {
                "hold_id": hold_id,
                "member_id": member["member_id"],
                "title_id": title_id,
                "title": titles[title_id]["title"],
                "branch": dice.pick(BRANCHES),
                "status": "waiting",
            }
            member["holds"].append(hold_id)
    rooms = {f"R{n}": {"room_id": f"R{n}", "seats": seats} for n, seats in enumerate((2, 4, 4, 6, 8, 12), start=1)}
    bookings = _bookings(dice, members, sorted(rooms))
    return Tables(
        {"members": members, "titles": titles, "loans": loans, "holds": holds, "rooms": rooms, "bookings": bookings}
    )


def _titles(dice: Dice) -> list[dict[str, Any]]:
    names = dice.shuffled([f"The {adjective} {noun}" for adjective in _ADJECTIVES for noun in _NOUNS])[:TITLES]
    return [
        {
            "title_id": f"T{number:03d}",
            "title": name,
            "author": f"{dice.pick(_FIRST)} {dice.pick(_LAST)}",
            "price": 8.25 + dice.below(20),
            "copies": 1 + dice.below(3),
        }
        for number, name in enumerate(names, start=1)
    ]


def _members(dice: Dice) -> list[dict[str, Any]]:
    people = dice.shuffled([(first, last) for first in _FIRST for last in _LAST])[:MEMBERS]
    return [
        {
            "member_id": f"M{number:03d}",
            "first_name": first,
            "last_name": last,
            "email": f"{first}.{last}{10 + dice.below(90)}@post.example".lower(),
            "card": f"C-{10000 + dice.below(90000)}",
            "kind": dice.pick(("standard", "plus")),
            "expires": str(TODAY + timedelta(days=dice.pick((-40, 120, 300, 700, 700)))),
            "owes": dice.pick((0.0, 0.0, 2.5, 4.5, 4.5, 7.5, 12.5, 16.5)),
            "waived_this_year": dice.below(4) == 0,
            "loans": [],
            "holds": [],
            "bookings": [],
        }
        for number, (first, last) in enumerate(people, start=1)
    ]


def _bookings(dice: Dice, members: dict[str, Any], rooms: Sequence[str]) -> dict[str, Any]:
    bookings: dict[str, Any] = {}
    taken = set()
    while len(bookings) < BOOKINGS:
        day = str(TODAY + timedelta(days=dice.below(8)))
        place = (dice.pick(rooms), day, dice.pick(SLOTS))
        member = members[f"M{1 + dice.below(MEMBERS):03d}"]
        if place in taken or any(bookings[key]["day"] == day for key in member["bookings"]):
            continue
        taken.add(place)
        booking_id = f"B{len(bookings) + 1:03d}"
        bookings[booking_id] = {
            "booking_id": booking_id,
            "member_id": member["member_id"],
            "room_id": place[0],
            "day": day,
            "slot": place[2],
            "status": "booked",
        }
        member["bookings"].append(booking_id)
    return bookings


_ADJECTIVES = (
    "Amber", "Borrowed", "Crooked", "Distant", "Empty", "Frozen", "Gentle", "Hollow", "Idle", "Jagged", "Little",
    "Mended", "Narrow", "Paper", "Quiet", "Rusted",
)  # fmt: skip
_NOUNS = (
    "Anchor", "Bridge", "Cellar", "Drum", "Engine", "Ferry", "Garden", "Hammer", "Island", "Ladder", "Meadow", "Needle",
)  # fmt: skip
_FIRST = (
    "Aino", "Bela", "Carys", "Dmitri", "Esme", "Farid", "Greta", "Hiro", "Ines", "Jonas", "Kamala", "Lotte", "Mateo",
    "Nadia", "Oskar", "Petra",
)  # fmt: skip
_LAST = (
    "Abara", "Brandt", "Costa", "Dufour", "Eriksen", "Fontaine", "Galvan", "Hoshino", "Ivanov", "Jansen", "Kovacs",
    "Lindqvist",
)  # fmt: skip
