"""The embedded back ends: worked examples, hostile arguments, and copies that share what does not change."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.envs.function_calls.embedded import BACK_ENDS, embedded_task, tool_documents
from credit_gym.envs.function_calls.embedded.back_end import MOST_ROWS, BackEnd
from credit_gym.envs.function_calls.embedded.brokerage import Brokerage
from credit_gym.envs.function_calls.embedded.calculator import Calculator
from credit_gym.envs.function_calls.embedded.car import Car
from credit_gym.envs.function_calls.embedded.folders import Folders
from credit_gym.envs.function_calls.embedded.messages import Messages
from credit_gym.envs.function_calls.embedded.tickets import Tickets
from credit_gym.envs.function_calls.embedded.trips import Trips

TOOLS = [(name, tool) for name, kind in BACK_ENDS.items() for tool in kind.TOOLS]
NASTY: tuple[Any, ...] = (
    10**400, -(10**400), 2**53, float("nan"), float("inf"), -float("inf"), -0.0, 1e308, True, None, "", " ", "/", "a/b",
    "\ud800", "\x00", "\u202e", "x" * 5000, [], {}, [[[[]]]], [True], ["driver"] * 3000, [float("nan")],
    {"a": {"b": []}}, b"bytes", (1, 2), {1, 2}, object,
)  # fmt: skip


@cache
def filled(long_context: bool = False) -> Mapping[str, BackEnd]:
    """Every back end, with something in it."""
    worlds: dict[str, BackEnd] = {}
    for index in range(40):
        task = embedded_task("base", index, 5)
        for name in task.involved_classes:
            if name not in worlds:
                worlds[name] = BACK_ENDS[name]()
                worlds[name].load(task.initial_config[name], long_context)
    assert set(worlds) == set(BACK_ENDS)
    return worlds


def keys_of(back_end: BackEnd) -> list[Any]:
    """Values that a call may use with success: keys, numbers of keys, and paths."""
    tables = [value for value in vars(back_end).values() if isinstance(value, dict)]
    keys = [key for table in tables for key in table]
    paths = [f"{folder}/{name}" for folder, files in getattr(back_end, "folders", {}).items() for name in files]
    return [*keys, *(int(key) for key in keys if key.isdigit()), *paths, *getattr(back_end, "contacts", ())]


values = st.one_of(
    st.sampled_from(NASTY),
    st.integers(-10, 30),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["buy", "sell", "full", "low", "driver", "front_left", "litre", "gallon", "new", "done/x.txt"]),
    st.lists(st.one_of(st.floats(), st.sampled_from(["driver", "rear_left"]), st.booleans()), max_size=4),
)


@settings(deadline=None, max_examples=800)
@given(data=st.data())
def test_whatever_is_called_there_is_an_answer_and_a_refused_call_changes_nothing(data: st.DataObject) -> None:
    name, tool = data.draw(st.sampled_from(TOOLS))
    back_end = deepcopy(filled()[name])
    known = st.sampled_from(keys_of(back_end)) if keys_of(back_end) else st.none()
    takes = BACK_ENDS[name].TOOLS[tool].arguments
    arguments = {each: data.draw(st.one_of(values, known)) for each in takes if data.draw(st.integers(0, 9)) > 0}
    if data.draw(st.integers(0, 19)) == 0:
        arguments[data.draw(st.sampled_from(["self", "itself", "path_", "\ud800", "x" * 900]))] = 1
    before = dict(vars(back_end))
    call = getattr(back_end, tool)
    answer = call(*arguments.values()) if data.draw(st.booleans()) else call(**arguments)
    assert isinstance(answer, dict)
    json.dumps(answer, allow_nan=False)
    after = vars(back_end)
    if "error" in answer:
        assert 10 < len(answer["error"]) < 400
        assert answer["error"].endswith(".")
        answer["error"].encode()
    if "error" in answer or tool in back_end.READS:
        assert all(after[each] is value for each, value in before.items())
    json.dumps(dict(after), allow_nan=False).encode()


@pytest.mark.parametrize(("name", "tool"), TOOLS)
def test_an_enormous_argument_is_answered_at_once(name: str, tool: str) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    back_end = deepcopy(filled(True)[name])
    began = time.process_time()
    for value in ("x" * 3_000_000, 10**4000, [0.5] * 300_000, ["driver"] * 300_000, deep, "a/" * 500_000):
        for each in BACK_ENDS[name].TOOLS[tool].arguments:
            answer = getattr(back_end, tool)(**{**dict.fromkeys(BACK_ENDS[name].TOOLS[tool].arguments, 1), each: value})
            assert len(str(answer)) < 100_000
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize("name", BACK_ENDS)
def test_a_copy_shares_everything_and_goes_its_own_way(name: str) -> None:
    one = filled(True)[name]
    other = deepcopy(one)
    assert type(other) is type(one)
    assert all(vars(other)[each] is value for each, value in vars(one).items())
    held = deepcopy(dict(vars(one)))
    for tool in type(other).TOOLS:
        for key in keys_of(other)[:20]:
            getattr(other, tool)(**dict.fromkeys(type(other).TOOLS[tool].arguments, key))
    assert vars(one) == held


def test_every_tool_has_a_name_of_its_own_and_says_what_it_takes() -> None:
    documents = tool_documents(list(BACK_ENDS))
    names = [document["name"] for document in documents]
    assert len(names) == len(set(names)) == len(TOOLS)
    for document in documents:
        assert document["description"].endswith(".")
        for schema in document["parameters"]["properties"].values():
            assert schema["description"].endswith(".")
            assert schema["type"] in ("string", "integer", "number", "boolean", "array")
        assert set(document["parameters"]["required"]) <= set(document["parameters"]["properties"])
    assert tool_documents(["Car", "Trips"]) == [*tool_documents(["Car"]), *tool_documents(["Trips"])]


def test_public_methods_of_a_back_end_are_its_tools() -> None:
    for kind in BACK_ENDS.values():
        public = {name for name in dir(kind) if name[0] != "_" and callable(getattr(kind, name))}
        assert public == {*kind.TOOLS, "load"}
        assert set(kind.TOOLS) >= kind.READS


def test_an_order_sets_cash_aside_and_gives_it_back() -> None:
    broker = Brokerage()
    broker.load({
        "accounts": {
            "1": {"name": "a", "cash": 100.0, "shares": {"AB": 3}},
            "2": {"name": "b", "cash": 0.0, "shares": {}},
        },
        "stocks": {"AB": {"company": "A B", "price": 12.5}},
    })  # fmt: skip
    assert broker.place_order(1, "AB", "buy", 8) == {"order_id": 1, "total": 100.0}
    assert broker.accounts["1"]["cash"] == 0.0
    assert "only 0.0" in broker.place_order(1, "AB", "buy", 1)["error"]
    assert "fewer shares" in broker.place_order(1, "AB", "sell", 4)["error"]
    assert broker.place_order(1, "AB", "sell", 3)["order_id"] == 2
    assert broker.accounts["1"]["shares"]["AB"] == 0
    broker.cancel_order(1)
    broker.cancel_order(order_id=2)
    assert broker.accounts["1"] == {"name": "a", "cash": 100.0, "shares": {"AB": 3}}
    assert "cannot be cancelled" in broker.cancel_order(1)["error"]
    assert broker.transfer_cash(1, 2, 33.335) == {"source_cash": 66.66, "destination_cash": 33.34}
    assert "error" in broker.transfer_cash(1, 2, 66.67)


def test_what_has_no_room_is_refused_and_nothing_is_paid_for_it() -> None:
    orders = {str(number): {"status": "cancelled"} for number in range(MOST_ROWS)}
    broker = Brokerage()
    account = {"name": "a", "cash": 100.0, "shares": {}}
    stock = {"company": "A B", "price": 1.0}
    broker.load({"accounts": {"1": account}, "stocks": {"AB": stock}, "orders": orders, "next_order": MOST_ROWS})
    assert "no room" in broker.place_order(1, "AB", "buy", 1)["error"]
    assert broker.accounts == {"1": account}
    trips = Trips()
    card = {"label": "blue", "balance": 400.0}
    trips.load(
        {"flights": {"AB1": {"fare": 1.0}}, "cards": {"C1": card}, "bookings": orders, "next_booking": MOST_ROWS}
    )
    assert "no room" in trips.book_flight("AB1", "C1", "Ivo Falk")["error"]
    assert trips.cards == {"C1": card}
    files = Folders()
    files.load({"folders": {"a": dict.fromkeys(map(str, range(MOST_ROWS)), "x")}})
    assert "no room" in files.create_file("a/new", "x")["error"]
    assert files.make_folder("b") == {"folder": "b"}


def test_an_engine_needs_locked_doors_and_the_brake() -> None:
    car = Car()
    car.load({"doors": {"rear_left": False}, "parking_brake": False, "fuel": 58.0, "distances": {"Brevik": 10.0}})
    assert "rear_left" in car.start_engine()["error"]
    assert "start the engine first" in car.set_destination("Brevik")["error"]
    assert car.lock_doors(["rear_left", "driver"])["doors_locked"]["rear_left"]
    assert "brake" in car.start_engine()["error"]
    assert "holds 60.0" in car.add_fuel(2.1)["error"]
    assert car.add_fuel(1.96) == {"fuel_litres": 60.0}
    car.press_brake()
    assert car.start_engine() == {"engine_runs": True}
    assert car.set_destination("Brevik") == {"destination": "Brevik"}
    assert "error" in car.add_fuel(1.0)
    assert "parking brake" in car.stop_engine()["error"]
    assert car.set_parking_brake(True) == {"parking_brake_set": True}
    assert "stop it first" in car.unlock_doors(["driver"])["error"]
    assert car.stop_engine() == {"engine_runs": False}
    assert "error" in car.set_parking_brake(1)  # type: ignore[arg-type]
    assert "error" in car.lock_doors([])


def test_a_booking_is_paid_by_its_card_and_paid_back_to_it() -> None:
    trips = Trips()
    flight = {"origin": "AAA", "destination": "BBB", "date": "2027-01-02", "departs": "06:15", "fare": 100.0}
    trips.load({"flights": {"AB1": flight}, "cards": {"C1": {"label": "blue", "balance": 400.0}}, "next_booking": 7})
    assert trips.search_flights("AAA", "BBB", "2027-01-02") == {
        "flights": [{"flight": "AB1", "departs": "06:15", "fare": 100.0}]
    }
    assert trips.book_flight("AB1", "C1", "Ivo Falk", seats=2) == {"booking_id": 7, "paid": 200.0}
    assert trips.add_bags(7, 2) == {"booking_id": 7, "paid": 270.0}
    assert trips.insure_booking(7, "full") == {"booking_id": 7, "paid": 318.0}
    assert trips.cards["C1"]["balance"] == 82.0
    assert "cannot pay 100.0" in trips.book_flight("AB1", "C1", "Ivo Falk")["error"]
    assert "from 1 to 3" in trips.add_bags(7, 4)["error"]
    assert trips.cancel_booking(7) == {"booking_id": 7, "refund": 318.0}
    assert trips.cards["C1"]["balance"] == 400.0
    assert "is cancelled" in trips.insure_booking(7, "basic")["error"]


def test_only_contacts_are_written_to() -> None:
    messages = Messages()
    messages.load({"people": {"P1": {"name": "Rosa Vogl", "team": "Legal"}, "P100": {"name": "You", "team": "Office"}}})
    assert messages.find_people("rosa vogl")["people"] == [{"person_id": "P1", "name": "Rosa Vogl", "team": "Legal"}]
    assert "add the contact first" in messages.send_message("P1", "Hello")["error"]
    assert messages.add_contact("P1") == {"person_id": "P1"}
    assert messages.send_message("P1", "Hello") == {"message_id": 1}
    assert messages.read_messages("P1")["messages"][0]["text"] == "Hello"
    assert messages.delete_message(1) == {"deleted": 1}
    assert messages.messages == {}


def test_a_closed_ticket_is_opened_again_before_it_changes() -> None:
    desk = Tickets()
    desk.load({"next_ticket": 4})
    assert desk.open_ticket("The lamp flickers", "Vera Moser") == {"ticket_id": 4}
    assert desk.find_tickets("vera moser") == {
        "tickets": [{"ticket_id": 4, "title": "The lamp flickers", "status": "open"}]
    }
    assert "from 1 to 5" in desk.set_ticket_priority(4, 6)["error"]
    assert desk.close_ticket(4, "New bulb.")["status"] == "closed"
    assert "open it again first" in desk.add_note(4, "Still dark.")["error"]
    assert desk.reopen_ticket(4) == {"ticket_id": 4, "status": "open", "resolution": None}
    assert desk.add_note(4, "Still dark.")["notes"] == ["Still dark."]


def test_files_are_found_moved_and_never_written_over() -> None:
    files = Folders()
    files.load({"folders": {"a": {"x.txt": "1\n2", "xx.txt": "3"}, "b": {}}})
    assert files.find_files("x.t")["paths"] == ["a/x.txt", "a/xx.txt"]
    assert files.count_lines("a/x.txt") == {"lines": 2}
    assert "already" in files.copy_file("a/x.txt", "a/xx.txt")["error"]
    assert files.move_file("a/x.txt", "b/y.txt") == {"path": "b/y.txt"}
    assert files.append_line("b/y.txt", "3") == {"path": "b/y.txt", "lines": 3}
    assert files.folders == {"a": {"xx.txt": "3"}, "b": {"y.txt": "1\n2\n3"}}
    assert "no folder 'c'" in files.create_file("c/z.txt", "text")["error"]
    assert "error" in files.append_line("b/y.txt", "two\nlines")
    assert files.delete_file("b/y.txt") == {"deleted": "b/y.txt"}


def test_the_calculator_is_exact_to_six_decimals() -> None:
    sums = Calculator()
    sums.load({})
    assert sums.convert(1, "gallon", "litre") == {"result": 3.785412}
    assert sums.convert(212, "fahrenheit", "celsius") == {"result": 100.0}
    assert sums.convert(26.2, "mile", "kilometre") == {"result": 42.164813}
    assert sums.add([0.1, 0.2, -0.3]) == {"result": 0.0}
    assert sums.mean([1, 2, 4]) == {"result": 2.333333}
    assert sums.divide_down(100, 7) == {"result": 14.0}
    assert sums.percent_of(12.5, 80) == {"result": 10.0}
    assert sums.subtract(1, 3) == {"result": -2.0}
    assert sums.multiply(number=1.5, times=4) == {"result": 6.0}
    assert "error" in sums.divide(1, 0)
    assert "error" in sums.convert(1, "mile", "litre")
    assert "two values" in sums.subtract(1, number=2)["error"]  # type: ignore[misc, call-arg]
