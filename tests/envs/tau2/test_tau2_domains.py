"""The rules of the published domains, on small databases made here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from credit_gym.envs.tau2 import airline, mock, retail
from credit_gym.envs.tau2.database import Database, Tables


def item(item_id: str, price: float, product: str = "P1") -> dict[str, Any]:
    return {"name": "Lamp", "product_id": product, "item_id": item_id, "price": price, "options": {"colour": item_id}}


def shop() -> Database:
    variants = {
        key: {"item_id": key, "options": {"colour": key}, "available": key != "i4", "price": price}
        for key, price in (("i1", 10.1), ("i2", 12.3), ("i3", 8.0), ("i4", 5.0))
    }
    user = {
        "user_id": "ana_1",
        "name": {"first_name": "Ána", "last_name": "Ruiz"},
        "address": {"address1": "1", "address2": "", "city": "A", "country": "B", "state": "C", "zip": "01234"},
        "email": "Ana@post.example",
        "payment_methods": {
            "gift_card_1": {"source": "gift_card", "id": "gift_card_1", "balance": 3.0},
            "paypal_1": {"source": "paypal", "id": "paypal_1"},
        },
        "orders": ["#W1", "#W2"],
    }

    def order(key: str, status: str) -> dict[str, Any]:
        return {
            "order_id": key, "user_id": "ana_1", "address": user["address"], "status": status, "fulfillments": [],
            "items": [item("i1", 10.1), item("i3", 8.0), item("i1", 10.1)],
            "payment_history": [{"transaction_type": "payment", "amount": 28.2, "payment_method_id": "paypal_1"}],
        }  # fmt: skip

    rows = {
        "products": {"P1": {"name": "Lamp", "product_id": "P1", "variants": variants}},
        "users": {"ana_1": user},
        "orders": {"#W1": order("#W1", "pending"), "#W2": order("#W2", "delivered")},
    }
    return Database(Tables(retail.complete(rows)))


def use(database: Database, tools: Any, name: str, **arguments: Any) -> tuple[Database, Any]:
    result = tools.call(database, name, arguments)
    if result.error or not result.content.startswith(("{", "[")):
        return result.database, result.content
    return result.database, json.loads(result.content)


@pytest.mark.parametrize(
    ("name", "arguments", "refusal"),
    [
        ("cancel_pending_order", {"order_id": "#W2", "reason": "no longer needed"}, "Non-pending order"),
        ("cancel_pending_order", {"order_id": "#W1", "reason": "because"}, "Invalid reason"),
        ("cancel_pending_order", {"order_id": "#W9", "reason": "because"}, "Order not found"),
        ("get_item_details", {"item_id": "P1"}, "Item not found"),
        ("find_user_id_by_name_zip", {"first_name": "Ana", "last_name": "Ruiz", "zip": "1234"}, "User not found"),
        ("return_delivered_order_items", {"order_id": "#W2", "item_ids": ["i1"] * 3, "payment_method_id": "paypal_1"},
         "Some item not found"),
        ("return_delivered_order_items", {"order_id": "#W2", "item_ids": ["i1"], "payment_method_id": "x"},
         "Payment method not found"),
        ("exchange_delivered_order_items",
         {"order_id": "#W2", "item_ids": ["i1"], "new_item_ids": ["i4"], "payment_method_id": "paypal_1"},
         "New item i4 not found or available"),
        ("exchange_delivered_order_items",
         {"order_id": "#W2", "item_ids": ["i3"], "new_item_ids": ["i2"], "payment_method_id": "gift_card_1"},
         "Insufficient gift card balance"),
        ("exchange_delivered_order_items",
         {"order_id": "#W2", "item_ids": ["i3"], "new_item_ids": [], "payment_method_id": "paypal_1"}, "should match"),
        ("modify_pending_order_items",
         {"order_id": "#W1", "item_ids": ["i1"], "new_item_ids": ["i1"], "payment_method_id": "paypal_1"},
         "should be different"),
        ("modify_pending_order_payment", {"order_id": "#W1", "payment_method_id": "paypal_1"}, "should be different"),
        ("modify_pending_order_payment", {"order_id": "#W1", "payment_method_id": "gift_card_1"}, "Insufficient"),
    ],
)  # fmt: skip
def test_retail_refuses_what_it_must(name: str, arguments: dict[str, Any], refusal: str) -> None:
    database = shop()
    after, content = use(database, retail.TOOLS, name, **arguments)
    assert content.startswith("Error: ")
    assert refusal in content
    assert after is database


def test_retail_finds_users_whatever_their_case_and_accents() -> None:
    assert use(shop(), retail.TOOLS, "find_user_id_by_email", email="ana@POST.example")[1] == "ana_1"
    found = use(shop(), retail.TOOLS, "find_user_id_by_name_zip", first_name="ana", last_name="RUIZ", zip="01234")
    assert found[1] == "ana_1"


def test_an_order_shows_the_fields_that_later_calls_fill() -> None:
    order = use(shop(), retail.TOOLS, "get_order_details", order_id="#W1")[1]
    assert order["cancel_reason"] is None
    assert order["return_items"] is None


def test_cancelling_refunds_gift_cards_at_once() -> None:
    database = shop()
    moved = dict(database.get("orders", "#W1") or {})
    moved["payment_history"] = [{"transaction_type": "payment", "amount": 28.2, "payment_method_id": "gift_card_1"}]
    database = database.replace({("orders", "#W1"): moved})
    after, order = use(database, retail.TOOLS, "cancel_pending_order", order_id="#W1", reason="ordered by mistake")
    assert order["status"] == "cancelled"
    assert order["payment_history"][1]["transaction_type"] == "refund"
    user = after.get("users", "ana_1")
    assert user is not None
    assert user["payment_methods"]["gift_card_1"]["balance"] == 31.2


def test_modified_items_have_their_own_price_but_upstream_the_last_ones() -> None:
    call = {"order_id": "#W1", "item_ids": ["i1", "i3"], "new_item_ids": ["i2", "i1"], "payment_method_id": "paypal_1"}
    _, order = use(shop(), retail.TOOLS, "modify_pending_order_items", **call)
    assert [(i["item_id"], i["price"]) for i in order["items"]] == [("i2", 12.3), ("i1", 10.1), ("i1", 10.1)]
    assert order["payment_history"][-1] == {
        "transaction_type": "payment", "amount": 4.3, "payment_method_id": "paypal_1"
    }  # fmt: skip
    assert order["status"] == "pending (item modified)"
    _, order = use(shop(), retail.UPSTREAM_TOOLS, "modify_pending_order_items", **call)
    assert [(i["item_id"], i["price"]) for i in order["items"]] == [("i2", 10.1), ("i1", 10.1), ("i1", 10.1)]
    assert order["payment_history"][-1]["amount"] == pytest.approx(4.3)


def test_twice_the_same_item_means_both_of_them() -> None:
    call = {"order_id": "#W1", "item_ids": ["i1", "i1"], "new_item_ids": ["i2", "i3"], "payment_method_id": "paypal_1"}
    _, order = use(shop(), retail.TOOLS, "modify_pending_order_items", **call)
    assert [i["item_id"] for i in order["items"]] == ["i2", "i3", "i3"]


def test_an_exchange_writes_down_the_difference_and_moves_no_money() -> None:
    call = {"order_id": "#W2", "item_ids": ["i3"], "new_item_ids": ["i1"], "payment_method_id": "gift_card_1"}
    after, order = use(shop(), retail.TOOLS, "exchange_delivered_order_items", **call)
    assert order["exchange_price_difference"] == 2.1
    assert order["status"] == "exchange requested"
    assert after.get("users", "ana_1") is shop_user(after)


def shop_user(database: Database) -> Any:
    return database.tables.rows["users"]["ana_1"]


def airport() -> Database:
    def day(seats: int) -> dict[str, Any]:
        cabins = ("basic_economy", "economy", "business")
        return {"status": "available", "available_seats": dict.fromkeys(cabins, seats), "prices": {
            "basic_economy": 50, "economy": 100, "business": 300}}  # fmt: skip

    def flight(number: str, origin: str, destination: str, leave: str, arrive: str, **dates: Any) -> dict[str, Any]:
        return {
            "flight_number": number, "origin": origin, "destination": destination, "dates": dates,
            "scheduled_departure_time_est": leave, "scheduled_arrival_time_est": arrive,
        }  # fmt: skip

    flights = [
        flight("HAT001", "SFO", "ORD", "08:00:00", "12:00:00", **{"2024-05-20": day(2), "2024-05-21": day(9)}),
        flight("HAT002", "ORD", "JFK", "13:00:00", "16:00:00", **{"2024-05-20": day(9)}),
        flight("HAT003", "ORD", "JFK", "11:00:00", "14:00:00", **{"2024-05-20": day(9)}),
        flight("HAT004", "SFO", "JFK", "11:00:00", "14:00:00", **{"2024-05-20": {"status": "cancelled"}}),
    ]
    methods = {
        "gift_card_1": {"source": "gift_card", "id": "gift_card_1", "amount": 250},
        "certificate_1": {"source": "certificate", "id": "certificate_1", "amount": 50},
        "credit_card_1": {"source": "credit_card", "id": "credit_card_1", "brand": "visa", "last_four": "1"},
    }
    user = {"user_id": "ana_1", "payment_methods": methods, "reservations": []}
    return Database(
        Tables(
            airline.complete(
                {"flights": {f["flight_number"]: f for f in flights}, "users": {"ana_1": user}, "reservations": {}}
            )
        )
    )


BOOKING: dict[str, Any] = {
    "user_id": "Ana_1",
    "origin": "SFO",
    "destination": "JFK",
    "flight_type": "one_way",
    "cabin": "economy",
    "flights": [
        {"flight_number": "hat001", "date": "2024-05-20", "price": 1},
        {"flight_number": "HAT002", "date": "2024-05-20"},
    ],
    "passengers": [{"first_name": "Ana", "last_name": "Ruiz", "dob": "1990-01-01"}],
    "payment_methods": [{"payment_id": "certificate_1", "amount": 50}, {"payment_id": "gift_card_1", "amount": 230}],
    "total_baggages": 2,
    "nonfree_baggages": 1,
    "insurance": "yes",
}


def test_a_booking_takes_seats_and_money() -> None:
    after, booked = use(airport(), airline.TOOLS, "book_reservation", **BOOKING)
    assert booked["reservation_id"] == "HATHAT"
    assert booked["user_id"] == "ana_1"
    assert list(booked) == [
        "reservation_id", "user_id", "origin", "destination", "flight_type", "cabin", "flights", "passengers",
        "payment_history", "created_at", "total_baggages", "nonfree_baggages", "insurance", "status",
    ]  # fmt: skip
    assert list(booked["flights"][0]) == ["flight_number", "origin", "destination", "date", "price"]
    assert booked["flights"][0] == {
        "origin": "SFO", "destination": "ORD", "flight_number": "HAT001", "date": "2024-05-20", "price": 100
    }  # fmt: skip
    user, flight = after.get("users", "ana_1"), after.get("flights", "HAT001")
    assert user is not None
    assert flight is not None
    assert user["payment_methods"].keys() == {"gift_card_1", "credit_card_1"}
    assert user["payment_methods"]["gift_card_1"]["amount"] == 20
    assert user["reservations"] == ["HATHAT"]
    assert flight["dates"]["2024-05-20"]["available_seats"]["economy"] == 1


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"payment_methods": [{"payment_id": "gift_card_1", "amount": 279}]}, "Not enough balance"),
        ({"payment_methods": [{"payment_id": "credit_card_1", "amount": 279}]}, "total price is 280, but paid 279"),
        ({"payment_methods": [{"payment_id": "x", "amount": 280}]}, "Payment method x not found"),
        ({"passengers": BOOKING["passengers"] * 3}, "Not enough seats on flight HAT001"),
        ({"flights": [{"flight_number": "HAT004", "date": "2024-05-20"}]}, "not available on date"),
        ({"flights": [{"flight_number": "HAT004", "date": "2024-05-22"}]}, "not found on date"),
        ({"cabin": "first"}, "one of: basic_economy"),
        ({"flights": [{"flight_number": "HAT001"}]}, "must have: flight_number, date"),
    ],
)
def test_the_airline_refuses_what_it_must(changes: dict[str, Any], refusal: str) -> None:
    database = airport()
    after, content = use(database, airline.TOOLS, "book_reservation", **{**BOOKING, **changes})
    assert content.startswith("Error: ")
    assert refusal in content
    assert after is database


def test_reservations_are_changed_and_cancelled_as_published() -> None:
    database, _ = use(airport(), airline.TOOLS, "book_reservation", **BOOKING)
    key = {"reservation_id": "hathat"}
    update = {"cabin": "economy", "flights": [{"flight_number": "HAT001", "date": "2024-05-21"}]}
    changed, row = use(database, airline.TOOLS, "update_reservation_flights", **key, **update, payment_id="gift_card_1")
    assert row["payment_history"][-1] == {"payment_id": "gift_card_1", "amount": -100}  # one leg of 100 less
    user = changed.get("users", "ana_1")
    assert user is not None
    assert user["payment_methods"]["gift_card_1"]["amount"] == 120
    _, row = use(changed, airline.TOOLS, "update_reservation_baggages", **key, total_baggages=3, nonfree_baggages=2,
                 payment_id="credit_card_1")  # fmt: skip
    assert row["payment_history"][-1]["amount"] == 50
    assert row["nonfree_baggages"] == 2
    _, refusal = use(changed, airline.TOOLS, "update_reservation_passengers", **key, passengers=[])
    assert "Number of passengers" in refusal
    after, row = use(changed, airline.TOOLS, "cancel_reservation", **key)
    assert row["status"] == "cancelled"
    assert sum(payment["amount"] for payment in row["payment_history"]) == 0
    assert after.get("flights", "HAT001") is changed.get("flights", "HAT001")  # seats are not released


def test_searches_find_flights_that_can_be_reached() -> None:
    direct = use(airport(), airline.TOOLS, "search_direct_flight", origin="SFO", destination="JFK", date="2024-05-20")
    assert direct[1] == []
    _, pairs = use(airport(), airline.TOOLS, "search_onestop_flight", origin="SFO", destination="JFK",
                   date="2024-05-20")  # fmt: skip
    assert [[leg["flight_number"] for leg in pair] for pair in pairs] == [["HAT001", "HAT002"]]
    assert pairs[0][1]["date"] == "2024-05-20"
    assert len(use(airport(), airline.TOOLS, "list_all_airports")[1]) == 20


def test_a_flight_on_offer_is_shown_as_the_data_model_has_it() -> None:
    _, found = use(airport(), airline.TOOLS, "search_direct_flight", origin="SFO", destination="ORD", date="2024-05-20")
    assert list(found[0]) == [
        "flight_number", "origin", "destination", "status", "scheduled_departure_time_est",
        "scheduled_arrival_time_est", "date", "available_seats", "prices",
    ]  # fmt: skip


def test_airline_rows_are_shown_as_the_data_models_have_them() -> None:
    """Keys of a published reservation and user, in the order and with the numbers of tau2's own answers."""
    rows = {
        "flights": {},
        "users": {
            "ana_1": {
                "reservations": [], "membership": "gold", "saved_passengers": [], "dob": "1990-01-01", "email": "a@b",
                "payment_methods": {
                    "gift_card_1": {"id": "gift_card_1", "amount": 133, "source": "gift_card"},
                    "credit_card_1": {"last_four": "1", "brand": "visa", "id": "credit_card_1",
                                      "source": "credit_card"},
                },
                "address": {"zip": "1", "state": "S", "country": "C", "city": "T", "address1": "A"},
                "name": {"last_name": "Ruiz", "first_name": "Ana"}, "user_id": "ana_1",
            }
        },
        "reservations": {
            "ABC": {"status": "cancelled", "cabin": "economy", "reservation_id": "ABC", "origin": "SFO",
                    "payment_history": [{"amount": 7.0, "payment_id": "gift_card_1"}],
                    "flights": [{"price": 5, "date": "2024-05-20", "origin": "SFO", "flight_number": "HAT001"}]}
        },
    }  # fmt: skip
    database = Database(Tables(airline.complete(rows)))
    assert airline.TOOLS.call(database, "get_user_details", {"user_id": "ana_1"}).content == (
        '{"user_id": "ana_1", "name": {"first_name": "Ana", "last_name": "Ruiz"}, "address": {"address1": "A", '
        '"address2": null, "city": "T", "country": "C", "state": "S", "zip": "1"}, "email": "a@b", "dob": '
        '"1990-01-01", "payment_methods": {"gift_card_1": {"source": "gift_card", "id": "gift_card_1", "amount": '
        '133.0}, "credit_card_1": {"source": "credit_card", "id": "credit_card_1", "brand": "visa", "last_four": '
        '"1"}}, "saved_passengers": [], "membership": "gold", "reservations": []}'
    )
    assert airline.TOOLS.call(database, "get_reservation_details", {"reservation_id": "ABC"}).content == (
        '{"reservation_id": "ABC", "origin": "SFO", "cabin": "economy", "flights": [{"flight_number": "HAT001", '
        '"origin": "SFO", "date": "2024-05-20", "price": 5}], "payment_history": [{"payment_id": "gift_card_1", '
        '"amount": 7}], "status": "cancelled"}'
    )
    after = airline.TOOLS.call(database, "send_certificate", {"user_id": "ana_1", "amount": 100}).database
    shown = airline.TOOLS.call(after, "get_user_details", {"user_id": "ana_1"}).content
    assert '{"source": "certificate", "id": "certificate_3221322", "amount": 100.0}' in shown


def test_retail_rows_are_shown_as_the_data_models_have_them() -> None:
    variant = {"price": 8, "available": True, "options": {"b": "1", "a": "2"}, "item_id": "i1"}
    product = {"variants": {"i1": variant}, "product_id": "P1", "name": "Lamp"}
    card = {"balance": 60, "source": "gift_card"}
    shopper = {"payment_methods": {"gift_card_1": card}, "user_id": "u"}
    rows = {"products": {"P1": product}, "users": {"u": shopper}, "orders": {}}
    database = Database(Tables(retail.complete(rows)))
    assert retail.TOOLS.call(database, "get_item_details", {"item_id": "i1"}).content == (
        '{"item_id": "i1", "options": {"b": "1", "a": "2"}, "available": true, "price": 8.0}'
    )
    user = retail.TOOLS.call(database, "get_user_details", {"user_id": "u"}).content
    assert user == '{"user_id": "u", "payment_methods": {"gift_card_1": {"source": "gift_card", "balance": 60.0}}}'


def test_certificates_are_sent_at_most_three_times() -> None:
    database = airport()
    for number in (22, 23, 24):
        database, said = use(database, airline.TOOLS, "send_certificate", user_id="ana_1", amount=100)
        assert f"certificate_32213{number}" in said
    assert "Too many" in use(database, airline.TOOLS, "send_certificate", user_id="ana_1", amount=1)[1]


def test_the_mock_assertions_count_and_miss() -> None:
    users = {"u": {"user_id": "u", "name": "n", "tasks": ["a"]}}
    tables = Tables({"users": users, "tasks": {}, mock.NOTIFICATIONS: {}})
    result = mock.TOOLS.call(Database(tables), "create_task", {"user_id": "u", "title": "t"})
    assert json.loads(result.content)["task_id"] == "task_1"
    assert "User x not found" in mock.TOOLS.call(Database(tables), "create_task", {"user_id": "x", "title": ""}).content
    assert len(json.loads(mock.TOOLS.call(Database(tables), "get_users", {}).content)) == 1
