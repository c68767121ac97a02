"""A story in the making: what lies about in it, and the calls that are right, made on back ends that are really there.

A part of a story is a generator. It lays out what it needs, yields None once, and then makes the right calls of one
turn after the other, each followed by what the user says for it. Everything is laid out before the first call is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from random import Random
from string import ascii_uppercase
from typing import Any, NamedTuple, TypeAlias, TypeVar

from credit_gym.envs.function_calls.embedded import words
from credit_gym.envs.function_calls.embedded.back_end import Answer, BackEnd
from credit_gym.envs.function_calls.gold import Call, write_gold

T = TypeVar("T")

GAP = "{gap}"


class Request(NamedTuple):
    """What the user says for a turn.

    Attributes:
        text: what is wanted, with :data:`GAP` where a value stands that may be left out.
        value: what stands there.
        vague: what stands there when the value is left out.
        later: the sentence that brings the value a turn later.
    """

    text: str
    value: str = ""
    vague: str = ""
    later: str = ""

    @property
    def whole(self) -> str:
        """The request with nothing left out."""
        return self.text.replace(GAP, self.value)

    @property
    def lacking(self) -> str:
        """The request without its value."""
        return self.text.replace(GAP, self.vague)


Part: TypeAlias = "Callable[[Scene], Iterator[Request | None]]"


class Scene:
    """Where a story takes place.

    Args:
        chance: what all is drawn from.

    Attributes:
        chance: the same.
        world: class name -> the scenario of its back end.
        calls: what :meth:`do` wrote down since the last :meth:`take_calls`.
    """

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.world: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self._back_ends: Mapping[str, BackEnd] = {}
        self._known: set[str] = set()
        self._numbers: set[int] = set()
        self._names = {
            name: chance.sample(pool, len(pool))
            for name, pool in (
                ("first", words.FIRST_NAMES),
                ("last", words.LAST_NAMES),
                ("house", words.HOUSES),
                ("city", words.CITIES),
                ("folder", words.FOLDERS),
                ("subject", words.SUBJECTS),
                ("fault", words.FAULTS),
            )
        }

    def use(self, *names: str) -> None:
        """Say that back ends take part, whether anything lies in them or not."""
        for name in names:
            self.world.setdefault(name, {})

    def lay(self, name: str, table: str, rows: Mapping[str, Any]) -> None:
        """Lay rows into a table of a back end."""
        self.world.setdefault(name, {}).setdefault(table, {}).update(rows)

    def settle(self, name: str, **values: Any) -> None:
        """Give attributes of a back end a value, unless they have one."""
        for attribute, value in values.items():
            self.world.setdefault(name, {}).setdefault(attribute, value)

    def begin(self, back_ends: Mapping[str, BackEnd]) -> None:
        """Make calls from now on.

        Args:
            back_ends: tool -> the loaded back end that has it.
        """
        self._back_ends = back_ends

    def do(self, tool: str, **arguments: Any) -> Answer:
        """Make a right call, write it down and return its answer."""
        call = write_gold(Call(tool, named=arguments))
        self.calls.append(call)
        self._known.add(call)
        answer: Answer = getattr(self._back_ends[tool], tool)(**arguments)
        return answer

    def look(self, tool: str, **arguments: Any) -> None:
        """Make a right call whose answer a reader knows once it was made: again is not needed."""
        if write_gold(Call(tool, named=arguments)) not in self._known:
            self.do(tool, **arguments)

    def take_calls(self) -> tuple[str, ...]:
        """Return the calls since the last time."""
        calls, self.calls = tuple(self.calls), []
        return calls

    def one_of(self, *options: T) -> T:
        """Draw one of some things."""
        return self.chance.choice(options)

    def number(self, least: int = 700, most: int = 999) -> int:
        """Draw a number that nothing else in the story has."""
        while (drawn := self.chance.randint(least, most)) in self._numbers:
            pass
        self._numbers.add(drawn)
        return drawn

    def fresh(self, pool: str) -> str:
        """Draw a word that the story does not have yet: a ``city``, ``folder``, ``subject`` or ``fault``."""
        return self._names[pool].pop()

    def person(self) -> str:
        """Draw the full name of somebody new."""
        return f"{self._names['first'].pop()} {self._names['last'].pop()}"

    def file(self, folder: str, name: str, text: str) -> str:
        """Lay a file into a folder and return its path."""
        self.lay("Folders", "folders", {})
        self.world["Folders"]["folders"].setdefault(folder, {})[name] = text
        return f"{folder}/{name}"

    def colleague(self, *, contact: bool) -> tuple[str, str, str]:
        """Lay out a person, and another of the same name in another team.

        Args:
            contact: whether the person is a contact already.

        Returns:
            The name, the team and the id.
        """
        name, (team, other) = self.person(), self.chance.sample(words.TEAMS, 2)
        key, wrong = (f"P{self.number(101, 499)}" for _ in range(2))
        pair = [(key, {"name": name, "team": team}), (wrong, {"name": name, "team": other})]
        self.lay("Messages", "people", dict(self.chance.sample(pair, 2)))
        self.settle("Messages", owner="P100", contacts=[], next_message=self.number())
        self.lay("Messages", "people", {"P100": {"name": "You", "team": "Office"}})
        if contact:
            self.world["Messages"]["contacts"].append(key)
        return name, team, key

    def stock(self, company: str) -> str:
        """Lay out a stock and return its symbol."""
        taken = self.world.get("Brokerage", {}).get("stocks", {})
        stem = "".join(word[0] for word in company.split()).upper()
        symbols = (stem + letter for letter in self.chance.sample(ascii_uppercase, 26))
        symbol = next(each for each in symbols if each not in taken)
        price = float(self.chance.randint(10, 99))  # whole, so that shares of the cash are exact to the cent
        self.lay("Brokerage", "stocks", {symbol: {"company": company, "price": price}})
        self.settle("Brokerage", next_order=self.number(2000, 2900))
        return symbol

    def companies(self, count: int) -> list[str]:
        """Draw companies whose names begin alike."""
        house = self.fresh("house")
        return [f"{house} {trade}" for trade in self.chance.sample(words.TRADES, count)]

    def accounts(self) -> dict[str, int]:
        """Lay out the user's accounts, once a story, and return their numbers by name."""
        if "accounts" not in self.world.get("Brokerage", {}):
            names = [name for pair in self.chance.sample(words.ACCOUNTS, 2) for name in pair]
            for name in self.chance.sample(names, 4):
                cash = float(self.chance.randint(60, 200) * 100)
                account = {"name": name, "cash": cash, "shares": {}}
                self.lay("Brokerage", "accounts", {str(self.number(3000, 3999)): account})
        rows = self.world["Brokerage"]["accounts"]
        return {row["name"]: int(key) for key, row in rows.items()}

    def cards(self) -> dict[str, str]:
        """Lay out the user's cards, once a story, and return their ids by label."""
        if "cards" not in self.world.get("Trips", {}):
            labels = [label for pair in self.chance.sample(words.CARDS, 2) for label in pair]
            for label in self.chance.sample(labels, 4):
                balance = float(self.chance.randint(60, 120) * 100)
                self.lay("Trips", "cards", {f"C{self.number(10, 99)}": {"label": label, "balance": balance}})
            self.settle("Trips", next_booking=self.number(4000, 4900))
        return {row["label"]: key for key, row in self.world["Trips"]["cards"].items()}

    def airport(self) -> tuple[str, str]:
        """Lay out a city with its airport and return its name and the code."""
        city = self.fresh("city")
        code = city[:2].upper() + self.chance.choice("KLMNPRT")
        self.lay("Trips", "airports", {code: {"city": city}})
        return city, code

    def flights(self, origin: str, destination: str, date: str, count: int) -> dict[str, float]:
        """Lay out flights of a day, no two of which cost the same, and return number -> fare."""
        fares = self.chance.sample(range(80, 480), count)
        hours = sorted(self.chance.sample(range(6, 22), count))
        found = {f"{origin[0]}{destination[0]}{self.number(100, 999)}": float(fare) for fare in fares}
        for (flight, fare), hour in zip(found.items(), hours, strict=True):
            row = {"origin": origin, "destination": destination, "date": date, "departs": f"{hour:02d}:15"}
            self.lay("Trips", "flights", {flight: {**row, "fare": fare}})
        return found

    def ticket(self, title: str, customer: str, **values: Any) -> int:
        """Lay out a ticket and return its number."""
        number = self.number(700, 850)
        ticket = {
            "title": title, "customer": customer, "priority": 2, "status": "open", "assignee": None, "notes": [],
            "resolution": None, **values,
        }  # fmt: skip
        self.lay("Tickets", "tickets", {str(number): ticket})
        self.settle("Tickets", next_ticket=self.number(860, 950))
        return number
