"""The tools of tau2's airline domain: flights, reservations and users, by the published rules.

What tau2 leaves undone is left undone: seats are not released by a cancellation nor moved by a change of flights.
"""

# ruff: noqa: D417 - the first argument of every tool is the draft it works on; the rest is what an agent reads

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from credit_gym.envs.tau2.arithmetic import calculate
from credit_gym.envs.tau2.database import Draft, Row
from credit_gym.envs.tau2.handover import transfer_to_human_agents
from credit_gym.envs.tau2.models import arranged
from credit_gym.envs.tau2.reservations import (
    MODELS,
    FlightChoice,
    Passenger,
    Payment,
    available_flights,
    book_leg,
    charge,
    find_day,
    find_flight,
    find_reservation,
    find_user,
    offer,
    spend,
    take_seats,
)
from credit_gym.envs.tau2.toolkit import Refused, Toolkit

TOOLS = Toolkit()
IDENTIFY = frozenset(("get_user_details",))
Cabin = Literal["basic_economy", "economy", "business"]

_NOW = "2024-05-15T15:00:00"
_NEW_RESERVATIONS = ("HATHAT", "HATHAU", "HATHAV")
_NEW_CERTIFICATES = ("certificate_3221322", "certificate_3221323", "certificate_3221324")
_AIRPORTS = {
    "SFO": "San Francisco", "JFK": "New York", "LAX": "Los Angeles", "ORD": "Chicago", "DFW": "Dallas",
    "DEN": "Denver", "SEA": "Seattle", "ATL": "Atlanta", "MIA": "Miami", "BOS": "Boston", "PHX": "Phoenix",
    "IAH": "Houston", "LAS": "Las Vegas", "MCO": "Orlando", "EWR": "Newark", "CLT": "Charlotte",
    "MSP": "Minneapolis", "DTW": "Detroit", "PHL": "Philadelphia", "LGA": "LaGuardia",
}  # fmt: skip
_BAGGAGE_PRICE = 50
_INSURANCE_PRICE = 30


def complete(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Row]]:
    """Return the published tables as tau2's models show them."""
    return arranged(rows, MODELS)


@TOOLS.write
def book_reservation(
    db: Draft,
    user_id: str,
    origin: str,
    destination: str,
    flight_type: Literal["one_way", "round_trip"],
    cabin: Cabin,
    flights: list[FlightChoice],
    passengers: list[Passenger],
    payment_methods: list[Payment],
    total_baggages: int,
    nonfree_baggages: int,
    insurance: Literal["yes", "no"],
) -> Row:
    """Book a reservation.

    Args:
        user_id: The user who books, such as 'sara_doe_496'.
        origin: The airport where the journey begins, such as 'SFO'.
        destination: The airport where it ends, such as 'JFK'.
        flight_type: Whether it comes back.
        cabin: The cabin class.
        flights: Each flight of the journey.
        passengers: Each traveller.
        payment_methods: How much is paid with what; the amounts must add up to the price.
        total_baggages: Pieces of baggage.
        nonfree_baggages: Those of them that cost extra.
        insurance: Whether there is travel insurance.
    """
    user = find_user(db, user_id)
    user_id = user["user_id"]
    reservation_id = next((key for key in _NEW_RESERVATIONS if db.get("reservations", key) is None), None)
    if reservation_id is None:
        raise Refused("Too many reservations")
    legs = [book_leg(db, choice, cabin, len(passengers)) for choice in flights]
    price = sum(leg["price"] for leg in legs) * len(passengers) + _BAGGAGE_PRICE * nonfree_baggages
    price += _INSURANCE_PRICE * len(passengers) if insurance == "yes" else 0
    for payment in payment_methods:
        method = user["payment_methods"].get(payment["payment_id"])
        if method is None:
            raise Refused(f"Payment method {payment['payment_id']} not found")
        if method["source"] in ("gift_card", "certificate") and method["amount"] < payment["amount"]:
            raise Refused(f"Not enough balance in payment method {payment['payment_id']}")
    paid = sum(payment["amount"] for payment in payment_methods)
    if paid != price:
        raise Refused(f"Payment amount does not add up, total price is {price}, but paid {paid}")
    for payment in payment_methods:
        user = spend(user, payment)
    for leg in legs:
        take_seats(db, leg, cabin, len(passengers))
    db.put("users", user_id, {**user, "reservations": [*user["reservations"], reservation_id]})
    reservation = {
        "reservation_id": reservation_id,
        "user_id": user_id,
        "origin": origin,
        "destination": destination,
        "flight_type": flight_type,
        "cabin": cabin,
        "flights": legs,
        "passengers": passengers,
        "payment_history": payment_methods,
        "created_at": _NOW,
        "total_baggages": total_baggages,
        "nonfree_baggages": nonfree_baggages,
        "insurance": insurance,
        "status": None,
    }
    return db.put("reservations", reservation_id, reservation)


TOOLS.generic(calculate)


@TOOLS.write
def cancel_reservation(db: Draft, reservation_id: str) -> Row:
    """Cancel the whole reservation.

    Args:
        reservation_id: The reservation, such as 'ZFA04Y'.
    """
    reservation = find_reservation(db, reservation_id)
    history = reservation["payment_history"]
    refunds = [{"payment_id": payment["payment_id"], "amount": -payment["amount"]} for payment in history]
    changes = {"payment_history": [*history, *refunds], "status": "cancelled"}
    return db.put("reservations", reservation["reservation_id"], {**reservation, **changes})


@TOOLS.read
def get_reservation_details(db: Draft, reservation_id: str) -> Row:
    """Get the details of a reservation.

    Args:
        reservation_id: The reservation, such as '8JX2WO'.
    """
    return find_reservation(db, reservation_id)


@TOOLS.read
def get_user_details(db: Draft, user_id: str) -> Row:
    """Get the details of a user, including their reservations.

    Args:
        user_id: The user, such as 'sara_doe_496'.
    """
    return find_user(db, user_id)


@TOOLS.read
def list_all_airports(db: Draft) -> list[Row]:
    """List all airports with their cities."""
    return [{"iata": iata, "city": city} for iata, city in _AIRPORTS.items()]


@TOOLS.read
def search_direct_flight(db: Draft, origin: str, destination: str, date: str) -> list[Row]:
    """Search for direct flights between two airports on a day.

    Args:
        origin: The airport of departure, such as 'JFK'.
        destination: The airport of arrival, such as 'LAX'.
        date: The day, such as '2024-05-01'.
    """
    return list(available_flights(db, date, origin=origin, destination=destination))


@TOOLS.read
def search_onestop_flight(db: Draft, origin: str, destination: str, date: str) -> list[list[Row]]:
    """Search for pairs of flights between two airports on a day, with a stop between them.

    Args:
        origin: The airport of departure, such as 'JFK'.
        destination: The airport of arrival, such as 'LAX'.
        date: The day, such as '2024-05-01'.
    """
    onward = [flight for _, flight in db.rows("flights") if flight["destination"] == destination]
    found: list[list[Row]] = []
    for first in available_flights(db, date, origin=origin):
        arrival = first["scheduled_arrival_time_est"]
        overnight = "+1" in arrival and date[-2:].isdigit()
        day = f"2024-05-{int(date[-2:]) + 1}" if overnight else date  # unpadded, and always May, as published
        found.extend(
            [{**first, "date": date}, {**offer(flight, day), "date": day}]
            for flight in onward
            if flight["origin"] == first["destination"]
            and flight["dates"].get(day, {}).get("status") == "available"
            and flight["scheduled_departure_time_est"] >= arrival
        )
    return found


@TOOLS.write
def send_certificate(db: Draft, user_id: str, amount: int) -> str:
    """Send a certificate to a user. Be careful!

    Args:
        user_id: The user, such as 'sara_doe_496'.
        amount: What the certificate is worth.
    """
    user = find_user(db, user_id)
    methods = user["payment_methods"]
    key = next((key for key in _NEW_CERTIFICATES if key not in methods), None)
    if key is None:
        raise Refused("Too many certificates")
    certificate = {"source": "certificate", "id": key, "amount": float(amount)}
    db.put("users", user["user_id"], {**user, "payment_methods": {**methods, key: certificate}})
    return f"Certificate {key} added to user {user_id} with amount {amount}."


TOOLS.generic(transfer_to_human_agents)


@TOOLS.write
def update_reservation_baggages(
    db: Draft, reservation_id: str, total_baggages: int, nonfree_baggages: int, payment_id: str
) -> Row:
    """Update the baggage of a reservation.

    Args:
        reservation_id: The reservation, such as 'ZFA04Y'.
        total_baggages: Pieces of baggage in all, after the change.
        nonfree_baggages: Those of them that cost extra.
        payment_id: What the difference is paid with, such as 'credit_card_7815826'.
    """
    reservation = find_reservation(db, reservation_id)
    price = _BAGGAGE_PRICE * max(0, nonfree_baggages - reservation["nonfree_baggages"])
    changes = {
        "payment_history": charge(db, reservation, payment_id, price),
        "total_baggages": total_baggages,
        "nonfree_baggages": nonfree_baggages,
    }
    return db.put("reservations", reservation["reservation_id"], {**reservation, **changes})


@TOOLS.write
def update_reservation_flights(
    db: Draft, reservation_id: str, cabin: Cabin, flights: list[FlightChoice], payment_id: str
) -> Row:
    """Update the flights of a reservation.

    Args:
        reservation_id: The reservation, such as 'ZFA04Y'.
        cabin: The cabin class after the change.
        flights: Every flight of the reservation after the change, also those that stay.
        payment_id: What the difference is paid with, such as 'credit_card_7815826'.
    """
    reservation = find_reservation(db, reservation_id)
    travellers = len(reservation["passengers"])
    kept = {(leg["flight_number"], leg["date"]): leg for leg in reversed(reservation["flights"])}
    if cabin != reservation["cabin"]:
        kept = {}  # another cabin has another price, so that every flight is booked anew
    legs = []
    for choice in flights:
        number = find_flight(db, choice["flight_number"])["flight_number"]
        legs.append(kept.get((number, choice["date"])) or book_leg(db, choice, cabin, travellers))
    before = sum(leg["price"] for leg in reservation["flights"])
    price = (sum(leg["price"] for leg in legs) - before) * travellers
    changes = {"payment_history": charge(db, reservation, payment_id, price), "flights": legs, "cabin": cabin}
    return db.put("reservations", reservation["reservation_id"], {**reservation, **changes})


@TOOLS.write
def update_reservation_passengers(db: Draft, reservation_id: str, passengers: list[Passenger]) -> Row:
    """Update who travels on a reservation; their number stays.

    Args:
        reservation_id: The reservation, such as 'ZFA04Y'.
        passengers: Each traveller.
    """
    reservation = find_reservation(db, reservation_id)
    if len(passengers) != len(reservation["passengers"]):
        raise Refused("Number of passengers does not match")
    return db.put("reservations", reservation["reservation_id"], {**reservation, "passengers": passengers})


@TOOLS.read
def get_flight_status(db: Draft, flight_number: str, date: str) -> str:
    """Get the status of a flight.

    Args:
        flight_number: The flight.
        date: The day.
    """
    return str(find_day(db, flight_number, date)["status"])
