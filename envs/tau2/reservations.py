"""What the airline's tools rest on: flights and their seats, reservations, and what they are paid with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict

from credit_gym.envs.tau2.database import Draft, Row
from credit_gym.envs.tau2.lookup import find_row_folded
from credit_gym.envs.tau2.toolkit import Refused


class FlightChoice(TypedDict):
    """A flight on a day."""

    flight_number: str
    date: str


class Passenger(TypedDict):
    """A traveller."""

    first_name: str
    last_name: str
    dob: str


class Payment(TypedDict):
    """An amount and what it is paid with."""

    payment_id: str
    amount: int


class Leg(TypedDict):
    """A flight of a reservation."""

    flight_number: str
    origin: str
    destination: str
    date: str
    price: int


class Reservation(TypedDict):
    """A reservation as tau2 shows it."""

    reservation_id: str
    user_id: str
    origin: str
    destination: str
    flight_type: str
    cabin: str
    flights: list[Leg]
    passengers: list[Passenger]
    payment_history: list[Payment]
    created_at: str
    total_baggages: int
    nonfree_baggages: int
    insurance: str
    status: str | None


class Name(TypedDict):
    """A user's name."""

    first_name: str
    last_name: str


class Address(TypedDict):
    """A user's address."""

    address1: str
    address2: str | None
    city: str
    country: str
    state: str
    zip: str


class PaymentMethod(TypedDict, total=False):
    """A credit card has a brand and digits, a gift card or certificate an amount."""

    source: str
    id: str
    brand: str
    last_four: str
    amount: float


class User(TypedDict):
    """A user as tau2 shows one."""

    user_id: str
    name: Name
    address: Address
    email: str
    dob: str
    payment_methods: dict[str, PaymentMethod]
    saved_passengers: list[Passenger]
    membership: str
    reservations: list[str]


class Day(TypedDict, total=False):
    """What a flight is on a day: seats and prices while it can be booked, times once it cannot."""

    status: str
    available_seats: dict[str, int]
    prices: dict[str, int]
    actual_departure_time_est: str
    estimated_departure_time_est: str
    actual_arrival_time_est: str
    estimated_arrival_time_est: str


class Flight(TypedDict):
    """A flight with all its days."""

    flight_number: str
    origin: str
    destination: str
    scheduled_departure_time_est: str
    scheduled_arrival_time_est: str
    dates: dict[str, Day]


MODELS: Mapping[str, type] = {"flights": Flight, "users": User, "reservations": Reservation}
"""Table -> what its rows look like."""


def available_flights(db: Draft, date: str, *, origin: str, destination: str | None = None) -> Iterator[Row]:
    """Yield the flights from an airport that can be booked on a day, as a search shows them."""
    for _, flight in db.rows("flights"):
        if (
            flight["origin"] == origin
            and (destination is None or flight["destination"] == destination)
            and flight["dates"].get(date, {}).get("status") == "available"
        ):
            yield offer(flight, date)


def offer(flight: Row, date: str) -> Row:
    """Return a flight as a search shows it."""
    day = flight["dates"][date]
    return {
        **{name: flight[name] for name in ("flight_number", "origin", "destination")},
        "status": "available",
        **{name: flight[name] for name in ("scheduled_departure_time_est", "scheduled_arrival_time_est")},
        "date": None,
        "available_seats": day["available_seats"],
        "prices": day["prices"],
    }


def book_leg(db: Draft, choice: FlightChoice, cabin: str, travellers: int) -> dict[str, Any]:
    """Return a flight as a reservation holds it; one without the seats is refused."""
    flight = find_flight(db, choice["flight_number"])
    number = flight["flight_number"]
    day = find_day(db, number, choice["date"])
    if day["status"] != "available":
        raise Refused(f"Flight {number} not available on date {choice['date']}")
    if day["available_seats"][cabin] < travellers:
        raise Refused(f"Not enough seats on flight {number}")
    return {
        "flight_number": number,
        "origin": flight["origin"],
        "destination": flight["destination"],
        "date": choice["date"],
        "price": day["prices"][cabin],
    }


def take_seats(db: Draft, leg: Mapping[str, Any], cabin: str, travellers: int) -> None:
    """Take the seats of a flight that was booked."""
    flight = find_flight(db, leg["flight_number"])
    day = flight["dates"][leg["date"]]
    seats = {**day["available_seats"], cabin: day["available_seats"][cabin] - travellers}
    dates = {**flight["dates"], leg["date"]: {**day, "available_seats": seats}}
    db.put("flights", leg["flight_number"], {**flight, "dates": dates})


def spend(user: Row, payment: Mapping[str, Any]) -> Row:
    """Return the user after a payment: a gift card holds less, a certificate is gone whole."""
    methods = dict(user["payment_methods"])
    method = methods.get(payment["payment_id"])
    if method is None:
        raise Refused(f"Payment method {payment['payment_id']} not found")
    if method["source"] == "gift_card":
        methods[method["id"]] = {**method, "amount": method["amount"] - payment["amount"]}
    elif method["source"] == "certificate":
        del methods[payment["payment_id"]]
    return {**user, "payment_methods": methods}


def charge(db: Draft, reservation: Row, payment_id: str, price: int) -> Sequence[Mapping[str, Any]]:
    """Charge a change of a reservation; return its payments after that."""
    user = find_user(db, reservation["user_id"])
    method = user["payment_methods"].get(payment_id)
    if method is None:
        raise Refused("Payment method not found")
    if method["source"] == "certificate":
        raise Refused("Certificate cannot be used to update reservation")
    if method["source"] == "gift_card":
        if method["amount"] < price:
            raise Refused("Gift card balance is not enough")
        db.put("users", user["user_id"], spend(user, {"payment_id": payment_id, "amount": price}))
    history: list[Mapping[str, Any]] = list(reservation["payment_history"])
    return [*history, {"payment_id": payment_id, "amount": price}] if price else history


def find_user(db: Draft, user_id: str) -> Row:
    """Return a user; a wrong id is refused."""
    return find_row_folded(db, "users", user_id, f"User {user_id} not found")


def find_reservation(db: Draft, reservation_id: str) -> Row:
    """Return a reservation; a wrong id is refused."""
    return find_row_folded(db, "reservations", reservation_id, f"Reservation {reservation_id} not found")


def find_flight(db: Draft, flight_number: str) -> Row:
    """Return a flight; a wrong number is refused."""
    return find_row_folded(db, "flights", flight_number, f"Flight {flight_number} not found")


def find_day(db: Draft, flight_number: str, date: str) -> Row:
    """Return what a flight is on a day; a day without it is refused."""
    day: Row | None = find_flight(db, flight_number)["dates"].get(date)
    if day is None:
        raise Refused(f"Flight {flight_number} not found on date {date}")
    return day
