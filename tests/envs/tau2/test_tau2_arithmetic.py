"""The calculator of service agents answers as tau2's does, in bounded time."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.envs.tau2.arithmetic import calculate
from credit_gym.envs.tau2.database import Database, Draft, Tables
from credit_gym.envs.tau2.toolkit import Refused

NOTHING = Draft(Database(Tables({})))


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2**3", "8.0"),
        ("10 // 3", "3.0"),
        ("-7 // 2", "-4.0"),
        ("7 // .5", "14.0"),
        ("2 ** -1", "0.5"),
        ("2**3**2", "512.0"),
        ("-2**2", "-4.0"),
        ("(-1)**99999999999", "-1.0"),
        ("0**0", "1.0"),
        ("9007199254740993 - 9007199254740992", "1.0"),  # whole numbers are exact until the end
        ("10**400 // 10**399", "10.0"),
        ("+".join(["1"] * 900), "900.0"),
    ],
)
def test_python_operators_have_pythons_values(expression: str, value: str) -> None:
    assert calculate(NOTHING, expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "2**10**10", "9**9**9**9", "-(9**9**9)", "1/9**9**9", "(9**999*9**999)*" * 60 + "1", "10**400", "2.0**99999",
        "0**-1", "7 // 0", "7 // 0.0", "(-8)**.5", "2***3", "2 * *3", "2/ /3", "...", "(1)(2)", "**" * 900, "9" * 1_990,
    ],
)  # fmt: skip
def test_what_has_no_value_is_refused_at_once(expression: str) -> None:
    before = time.process_time()
    with pytest.raises(Refused):
        calculate(NOTHING, expression)
    assert time.process_time() - before < 0.2


@settings(deadline=None)
@given(st.text("0123456789+-*/(). ", max_size=200))
def test_any_text_of_the_alphabet_has_a_value_or_is_refused(expression: str) -> None:
    with suppress(Refused):
        float(calculate(NOTHING, expression))
