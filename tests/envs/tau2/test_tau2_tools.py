"""Databases, tools and actions of credit/Tau2-v0."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.envs.tau2 import airline, mock, retail
from credit_gym.envs.tau2.actions import Calls, Malformed, ToolCall, parse_action, write_call, write_function
from credit_gym.envs.tau2.arithmetic import calculate
from credit_gym.envs.tau2.database import Database, Draft, Tables
from credit_gym.envs.tau2.library.generate import make_tables
from credit_gym.envs.tau2.library.tools import TOOLS
from credit_gym.envs.tau2.progress import Progress
from credit_gym.envs.tau2.toolkit import Refused, Toolkit

keys = st.sampled_from(["a", "b", "c"])
rows = st.one_of(st.none(), st.fixed_dictionaries({"n": st.integers(0, 2)}))
writes = st.lists(st.dictionaries(st.tuples(st.sampled_from(["t", "u"]), keys), rows, max_size=3), max_size=6)
BASE = {"t": {"a": {"n": 0}, "b": {"n": 1}}, "u": {}}


@pytest.mark.slow
@settings(deadline=None)
@given(writes, writes)
def test_the_hash_of_a_database_depends_on_its_content_alone(first: list[Any], second: list[Any]) -> None:
    one, other = Database(Tables(BASE)), Database(Tables(BASE))
    for change in first:
        one = one.replace(change)
    for change in second:
        other = other.replace(change)
    same = {k: v for k, v in one.dump().items() if v} == {k: v for k, v in other.dump().items() if v}
    assert (one.key == other.key) == same == (one.changed == other.changed)


@pytest.mark.slow
@settings(deadline=None)
@given(writes)
def test_a_version_stays_as_it_was_when_another_is_made_of_it(changes: list[Any]) -> None:
    versions = [Database(Tables(BASE))]
    seen = [json.dumps(versions[0].dump())]
    for change in changes:
        versions.append(versions[-1].replace(change))
        seen.append(json.dumps(versions[-1].dump()))
    assert [json.dumps(version.dump()) for version in versions] == seen


def test_what_a_refused_tool_has_written_is_thrown_away() -> None:
    kit = Toolkit()

    @kit.write
    def spoil(db: Draft, key: str) -> str:
        """Write, then refuse."""
        db.put("t", key, {"n": 9})
        raise Refused("no")

    database = Database(Tables(BASE))
    result = kit.call(database, "spoil", {"key": "a"})
    assert result == (database, "Error: no", True)
    assert result.database is database


def test_schemas_say_what_the_signatures_say() -> None:
    schema = airline.TOOLS["book_reservation"].schema["function"]
    properties = schema["parameters"]["properties"]
    assert properties["cabin"]["enum"] == ["basic_economy", "economy", "business"]
    assert properties["flights"]["items"]["required"] == ["flight_number", "date"]
    assert properties["total_baggages"]["type"] == "integer"
    assert schema["description"] == "Book a reservation."
    assert mock.TOOLS["create_task"].schema["function"]["parameters"]["required"] == ["user_id", "title"]
    assert 12 <= sum(tool.kind in ("read", "write") for tool in TOOLS.values()) <= 20


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("mock", (1, 2, 1)), ("retail", (7, 7, 2)), ("airline", (6, 6, 2))],
)
def test_the_published_domains_have_as_many_tools_as_published(name: str, kinds: tuple[int, int, int]) -> None:
    kits = {"mock": mock.TOOLS, "retail": retail.TOOLS, "airline": airline.TOOLS}
    found = [tool.kind for tool in kits[name].values()]
    assert tuple(found.count(kind) for kind in ("read", "write", "generic")) == kinds


NESTED: Any = {"a": [{"b": [{"c": None}]}]}
WILD: list[Any] = [
    None, True, False, 0, -1, 3.5, 1e308, float("inf"), float("nan"), 10**400, "", " ", "#W0000000", "M001", "L001",
    "H001", "T001", "B001", "R1", "2031-03-05", "09:00", "card", "Harbour", "x" * 100_000, "\ud800", "\u202e\x00é漢",
    "'; DROP TABLE", [], ["a"], [[]], {}, NESTED, [NESTED] * 50, "economy", "yes", {"flight_number": 1, "date": []},
]  # fmt: skip


def fuzz(kit: Toolkit, database: Database, count: int) -> tuple[int, int]:
    """Make random calls; return how many were refused, and how many changed the database."""
    dice = random.Random(5)
    names = [*kit, "nothing", "", "__class__", "x" * 1000]
    refused = changed = 0
    now = database
    for _ in range(count):
        name = dice.choice(names)
        known = list(kit[name].arguments) if name in kit else []
        chosen = [key for key in known if dice.random() < 0.95] + (["extra"] if dice.random() < 0.05 else [])
        result = kit.call(now, name, {key: dice.choice(WILD) for key in chosen})
        result.content.encode()
        if result.error:
            assert result.database is now
            assert len(result.content) < 1000
        refused += result.error
        changed += result.database is not now
        assert result.database is now or (name in kit and kit[name].kind == "write")
        now = result.database
    return refused, changed


def fuzz_all(count: int) -> None:
    for kit, tables in ((TOOLS, make_tables()), (retail.TOOLS, small_shop()), (airline.TOOLS, Tables(EMPTY_AIRLINE))):
        before = json.dumps(tables.rows)
        refused, changed = fuzz(kit, Database(tables), count)
        assert json.dumps(tables.rows) == before
        assert refused > count // 2
    assert changed == 0  # an airline without users


EMPTY_AIRLINE: dict[str, Any] = {"flights": {}, "users": {}, "reservations": {}}


def small_shop() -> Tables:
    order = {"order_id": "#W0000000", "user_id": "M001", "items": [], "status": "pending", "payment_history": []}
    user = {"name": {"first_name": "A", "last_name": "B"}, "address": {"zip": "1"}, "email": "", "payment_methods": {}}
    return Tables(retail.complete({"orders": {"#W0000000": order}, "users": {"M001": user}, "products": {}}))


def test_malformed_calls_crash_nothing_and_change_nothing() -> None:
    fuzz_all(3_000)


@pytest.mark.slow
def test_100_000_malformed_calls_crash_nothing_and_change_nothing() -> None:
    fuzz_all(34_000)


json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**53), 2**53),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=8,
)


@pytest.mark.slow
@settings(deadline=None)
@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_a_call_written_as_json_is_read_back(arguments: dict[str, Any]) -> None:
    call = ToolCall("get_loan", arguments)
    assert parse_action(write_call(call), TOOLS) == call


@pytest.mark.slow
@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["loan_id", "x", "day"]), json_values, max_size=3))
def test_a_call_written_as_a_function_is_read_back(arguments: dict[str, Any]) -> None:
    call = ToolCall("get_loan", arguments)
    text = write_function(call)
    assert parse_action(text, TOOLS) == call


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_message_a_call_or_malformed(text: str) -> None:
    read = parse_action(text, TOOLS)
    assert isinstance(read, (str, ToolCall, Malformed))
    assert not isinstance(read, str) or read == text


CALL = ToolCall("get_loan", {"loan_id": "L1"})
JSON = '{"name": "get_loan", "arguments": {"loan_id": "L1"}}'


@pytest.mark.parametrize(
    ("action", "default", "upstream"),
    [
        ('{"name": "get_loan", "arguments": {"loan_id": "L1"}}', CALL, CALL),
        ("get_loan(loan_id='L1')", CALL, CALL),
        ("  get_loan (loan_id='L1') ", CALL, CALL),
        ("get_loan(\n  loan_id='L1',\n)", CALL, "get_loan(\n  loan_id='L1',\n)"),
        ("get_loan('L1')", CALL, ToolCall("get_loan", {})),
        ("get_loan(loan_id=L1)", CALL, CALL),
        ("get_loan(loan_id=null, x=true)", ToolCall("get_loan", {"loan_id": None, "x": True}), None),
        ("get_loan(loan_id=1+1)", Malformed, "get_loan(loan_id=1+1)"),
        ("get_loan(loan_id=f())", Malformed, "get_loan(loan_id=f())"),
        ("get_loan(**x)", Malformed, "get_loan(**x)"),
        ("get_loan(", Malformed, "get_loan("),
        ("done()", ToolCall("done", {}), ToolCall("done", {})),
        ("Sure (of course)", "Sure (of course)", "Sure (of course)"),
        ("Sure (yes)", "Sure (yes)", ToolCall("Sure", {})),
        ('{"name": "get_loan"}', Malformed, '{"name": "get_loan"}'),
        ('{"name": "get_loan", "arguments": []}', Malformed, '{"name": "get_loan", "arguments": []}'),
        (
            '[{"name": "get_loan", "arguments": {}}]',
            ToolCall("get_loan", {}),
            '[{"name": "get_loan", "arguments": {}}]',
        ),
        ('{"a": 1}', Malformed, '{"a": 1}'),
        ('{"name": "f", "arguments": {"x": NaN}}', Malformed, '{"name": "f", "arguments": {"x": NaN}}'),
        (f"```json\n{JSON}\n```", CALL, f"```json\n{JSON}\n```"),
        (f"<tool_call>{JSON}</tool_call>", CALL, f"<tool_call>{JSON}</tool_call>"),
        (f"{JSON}\n{JSON}", Calls((CALL, CALL)), f"{JSON}\n{JSON}"),
        ("Hello there.", "Hello there.", "Hello there."),
        ("", Malformed, Malformed),
        (" \n", Malformed, Malformed),
    ],
)
def test_actions_are_read_as_documented(action: str, default: Any, upstream: Any) -> None:
    for expected, read in (
        (default, parse_action(action, TOOLS)),
        (default if upstream is None else upstream, parse_action(action, TOOLS, upstream=True)),
    ):
        assert isinstance(read, Malformed) if expected is Malformed else read == expected


@pytest.mark.parametrize(
    "hostile",
    [
        "get_loan(" + "[" * 9_000 + "]" * 9_000 + ")",
        "get_loan(x=" + "-" * 15_000 + "1)",
        "get_loan(x=" + "(" * 5_000 + "1" + ")" * 5_000 + ")",
        '{"name": ' + "[" * 100_000,
        '{"name": "f", "arguments": {"x": ' + "9" * 10_000 + "}}",
        "get_loan(loan_id='" + "x" * 1_000_000 + "')",
        "get_loan(__import__('os').system('true'))",
        "get_loan(" * 10_000,
    ],
)
def test_hostile_actions_are_read_without_harm(hostile: str) -> None:
    assert isinstance(parse_action(hostile, TOOLS), Malformed)


@pytest.mark.parametrize(
    ("expression", "value"),
    [("2 + 2", "4.0"), ("1/3", "0.33"), ("-(2.5 * 4)", "-10.0"), ("3131.1 + 4777.75", "7908.85")],
)
def test_the_calculator_calculates(expression: str, value: str) -> None:
    assert calculate(Draft(Database(Tables({}))), expression) == value


@pytest.mark.parametrize("expression", ["", "1/0", "9**9**9**9", "()", "a", "1 2", "(" * 400, "1.2.3", "9" * 499, "-"])
def test_the_calculator_refuses_the_rest(expression: str) -> None:
    draft = Draft(Database(Tables({})))
    with pytest.raises(Refused):
        calculate(draft, expression)


def progress(*versions: dict[str, Any]) -> tuple[Progress, Callable[[dict[str, Any]], Database]]:
    tables = Tables({"t": {"a": versions[0]}, "u": {"z": {"n": 1}}})
    path = [Database(tables)]
    for version in versions[1:]:
        path.append(path[-1].replace({("t", "a"): version}))
    return Progress(path), lambda row: Database(tables, {("t", "a"): row})


def test_off_the_path_progress_counts_the_cells_that_the_solution_changes() -> None:
    measure, at = progress({"x": 0, "y": 0, "k": 5}, {"x": 1, "y": [1, 2], "k": 5})
    assert measure.share(at({"x": 1, "y": 0, "k": 5})) == 0.25  # of x, y, y/0 and y/1
    assert measure.share(at({"x": 1, "y": [1, 2], "k": 5})) == 1.0
    assert measure.wrong_rows(at({"x": 1, "y": [1], "k": 5})) == 0
    assert measure.wrong_rows(at({"x": 2, "y": 0, "k": 5})) == 1
    assert measure.wrong_rows(at({"x": 0, "y": 0, "k": 6})) == 1
    assert measure.wrong_rows(at({"x": 0, "y": 0, "k": 5}).replace({("u", "z"): {"n": 2}})) == 1
    assert measure.wrong_rows(at({"x": 0, "y": 0, "k": 5}).replace({("u", "new"): {"n": 2}})) == 1


def test_on_the_path_progress_counts_changes_even_those_that_are_undone_later() -> None:
    measure, at = progress({"x": 0, "n": 0}, {"x": 1, "n": 5}, {"x": 1, "n": 5}, {"x": 1, "n": 0})
    versions = [{"x": 0, "n": 0}, {"x": 1, "n": 5}, {"x": 1, "n": 0}]
    assert [measure.share(at(version)) for version in versions] == [0.0, 0.5, 1.0]
    assert measure.changes == 2


def test_a_number_may_be_what_the_changes_give_in_another_order() -> None:
    measure, at = progress({"n": 0.0}, {"n": 3.0}, {"n": 10.0})
    assert [measure.wrong_rows(at({"n": n})) for n in (0.0, 3.0, 7.0, 10.0, 5.0, -1.0)] == [0, 0, 0, 0, 1, 1]
