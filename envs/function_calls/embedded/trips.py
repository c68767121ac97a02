"""Flights booked with cards that have a balance."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from credit_gym.envs.function_calls.embedded.back_end import (
    Answer,
    BackEnd,
    Row,
    Table,
    between,
    cents,
    changes,
    kept,
    put,
    reads,
    row_of,
)
from credit_gym.envs.tool_arguments import Refused

BAG_FEE = 35.0
COVER_FEES = {"basic": 19.0, "full": 48.0}
_MOST_SEATS = 9
_MOST_BAGS = 5
_LONGEST_NAME = 100  # characters


class Trips(BackEnd):
    """A travel desk. What is cancelled is paid back to the card that paid.

    Attributes:
        airports: code -> ``city``.
        flights: number -> ``origin``, ``destination`` (codes), ``date``, ``departs`` and ``fare`` of a seat.
        cards: id -> ``label`` and ``balance``.
        bookings: number -> ``flight``, ``card``, ``traveller``, ``seats``, ``bags``, ``cover``, ``paid``, ``status``.
        next_booking: the number of the next booking.
    """

    airports: Table
    flights: Table
    cards: Table
    bookings: Table
    next_booking: int

    def load(self, scenario: Mapping[str, Any], long_context: bool = False) -> None:
        """See :class:`BackEnd`."""
        self.airports = scenario.get("airports", {})
        self.flights = {**(_timetable() if long_context else {}), **scenario.get("flights", {})}
        self.cards = {**(_retired() if long_context else {}), **scenario.get("cards", {})}
        self.bookings = {**(_flown() if long_context else {}), **scenario.get("bookings", {})}
        self.next_booking = scenario.get("next_booking", 1)

    @reads
    def find_airports(self, city: str) -> Answer:
        """Find the airports of a city.

        Args:
            city: The name of the city.
        """
        wanted = city.lower()
        return {"airports": [code for code, row in self.airports.items() if row["city"].lower() == wanted]}

    @reads
    def search_flights(self, origin: str, destination: str, date: str) -> Answer:
        """Search the flights of a day.

        Args:
            origin: The code of the airport, as 'ABC'.
            destination: The code of the airport, as 'ABC'.
            date: The day, as '2027-03-09'.
        """
        wanted = {"origin": origin, "destination": destination, "date": date}
        found = [
            {"flight": number, "departs": row["departs"], "fare": row["fare"]}
            for number, row in self.flights.items()
            if all(row[name] == value for name, value in wanted.items())
        ]
        return {"flights": found}

    @reads
    def list_cards(self) -> Answer:
        """List the ids and labels of your cards."""
        return {"cards": [{"card_id": key, "label": row["label"]} for key, row in self.cards.items()]}

    @reads
    def get_card(self, card_id: str) -> Answer:
        """Look at the balance of a card.

        Args:
            card_id: The id of the card, as 'C12'.
        """
        return {"card_id": card_id, **row_of(self.cards, card_id, "card")}

    @reads
    def get_booking(self, booking_id: int) -> Answer:
        """Look at a booking.

        Args:
            booking_id: The number of the booking.
        """
        return {"booking_id": booking_id, **row_of(self.bookings, booking_id, "booking")}

    @reads
    def list_bookings(self) -> Answer:
        """List all bookings, the oldest first."""
        return {"bookings": [{"booking_id": int(key), **row} for key, row in self.bookings.items()]}

    @changes
    def book_flight(self, flight: str, card_id: str, traveller: str, seats: int = 1) -> Answer:
        """Book seats on a flight.

        Args:
            flight: The number of the flight, as 'AB123'.
            card_id: The card that pays, as 'C12'.
            traveller: The full name of who travels.
            seats: How many seats.
        """
        fare = row_of(self.flights, flight, "flight")["fare"]
        between(seats, 1, _MOST_SEATS, "number of seats")
        price = cents(fare * seats)
        number = self.next_booking
        booking = {
            "flight": flight,
            "card": card_id,
            "traveller": kept(traveller, "traveller", _LONGEST_NAME),
            "seats": seats,
            "bags": 0,
            "cover": None,
            "paid": price,
            "status": "booked",
        }
        bookings = put(self.bookings, number, booking)
        self.cards = self._charged(card_id, price)
        self.bookings, self.next_booking = bookings, number + 1
        return {"booking_id": number, "paid": price}

    @changes
    def add_bags(self, booking_id: int, bags: int) -> Answer:
        """Add bags to a booking, for 35.00 each, paid by its card.

        Args:
            booking_id: The number of the booking.
            bags: How many more.
        """
        booking = self._standing(booking_id)
        between(bags, 1, _MOST_BAGS - booking["bags"], "number of bags")
        return self._extended(booking_id, bags * BAG_FEE, bags=booking["bags"] + bags)

    @changes
    def insure_booking(self, booking_id: int, cover: Literal["basic", "full"]) -> Answer:
        """Insure a booking: basic for 19.00, full for 48.00, paid by its card.

        Args:
            booking_id: The number of the booking.
            cover: How much is covered.
        """
        if self._standing(booking_id)["cover"] is not None:
            raise Refused(f"Booking {booking_id} is insured already.")
        return self._extended(booking_id, COVER_FEES[cover], cover=cover)

    @changes
    def cancel_booking(self, booking_id: int) -> Answer:
        """Cancel a booking; all that was paid for it goes back to its card.

        Args:
            booking_id: The number of the booking.
        """
        booking = self._standing(booking_id)
        self.cards = self._charged(booking["card"], -booking["paid"])
        self.bookings = put(self.bookings, booking_id, {**booking, "paid": 0.0, "status": "cancelled"})
        return {"booking_id": booking_id, "refund": booking["paid"]}

    def _standing(self, booking_id: int) -> Row:
        booking = row_of(self.bookings, booking_id, "booking")
        if booking["status"] != "booked":
            raise Refused(f"Booking {booking_id} is cancelled.")
        return booking

    def _charged(self, card_id: str, amount: float) -> dict[str, Any]:
        card = row_of(self.cards, card_id, "card")
        left = cents(card["balance"] - amount)
        if left < 0:
            raise Refused(f"The card has {card['balance']} and cannot pay {amount}.")
        return put(self.cards, card_id, {**card, "balance": left})

    def _extended(self, booking_id: int, fee: float, **values: Any) -> Answer:
        booking = self.bookings[str(booking_id)]
        self.cards = self._charged(booking["card"], fee)
        paid = cents(booking["paid"] + fee)
        self.bookings = put(self.bookings, booking_id, {**booking, **values, "paid": paid})
        return {"booking_id": booking_id, "paid": paid}


@cache
def _retired() -> Table:
    """Cards that nobody asks for."""
    return {f"C{500 + n}": {"label": f"retired {n}", "balance": 0.0} for n in range(30)}


@cache
def _flown() -> Table:
    """Bookings that nobody asks for."""
    booking = {"card": "C500", "seats": 1, "bags": 0, "cover": None, "paid": 0.0, "status": "cancelled"}
    return {str(100 + n): {"flight": f"ZZ{100 + n}", "traveller": f"Guest {n}", **booking} for n in range(40)}


@cache
def _timetable() -> Table:
    """Flights on days that nobody asks for."""
    codes = ("AMB", "BRV", "CLN", "DRS", "ELM", "FRN")
    pairs = [(one, other) for one in codes for other in codes if one != other]
    return {
        f"ZZ{100 + n}": {
            "origin": pairs[n % 30][0],
            "destination": pairs[n % 30][1],
            "date": f"2026-{1 + n % 12:02d}-{1 + n % 28:02d}",
            "departs": f"{6 + n % 16:02d}:{5 * n % 60:02d}",
            "fare": 60.0 + 11 * n % 240,
        }
        for n in range(200)
    }
