"""Actions as functions: what an environment offers can be said by calling its families, and nothing else is made."""

from __future__ import annotations

import re

import gymnasium as gym
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_gym import rng
from credit_gym.data.action_families import Family, describe_family, write_action
from credit_gym.data.action_format import FORMATS, ActionFormat, declared_format, families, list_offered
from credit_gym.errors import CreditGymError
from credit_gym.registration import ENVIRONMENTS

UNTOLD = {"help"}  # ALFWorld's list of commands, which are no tools
TAKE = Family("take", "take {object} from {place}", "Take it.", (("object", "What."), ("place", "Where.")))


def test_a_family_writes_its_form() -> None:
    assert write_action(TAKE, {"object": "mug 1", "place": "shelf 2"}) == "take mug 1 from shelf 2"
    assert write_action(Family("click", "click[{text}]", "Click.", (("text", "It."),)), {"text": "a]"}) == "click[a]]"


@given(st.text(), st.text())
def test_text_in_an_argument_is_never_read_as_a_form(one: str, two: str) -> None:
    assert write_action(TAKE, {"object": one, "place": two}) == f"take {one} from {two}"


@pytest.mark.parametrize("value", [3, None, ["mug"], {"a": 1}, True])
def test_an_argument_that_is_no_text_is_refused_by_name(value: object) -> None:
    with pytest.raises(CreditGymError, match="The argument object of take must be text"):
        write_action(TAKE, {"object": value, "place": "shelf 2"})


def test_a_form_has_a_place_for_each_argument() -> None:
    with pytest.raises(CreditGymError, match="'go' must have the arguments of its form"):
        Family("go", "go to {place}", "Go.", (("room", "Where."),))


def test_a_family_is_described_as_servers_describe_functions() -> None:
    assert describe_family(TAKE)["function"] == {
        "name": "take",
        "description": "Take it.",
        "parameters": {
            "type": "object",
            "properties": {
                "object": {"type": "string", "description": "What."},
                "place": {"type": "string", "description": "Where."},
            },
            "required": ["object", "place"],
        },
    }


@pytest.mark.parametrize(
    ("form", "name"),
    [
        (FORMATS["line"], "act"),
        (FORMATS["message"], "say"),
        (FORMATS["program"], "write_program"),
        (FORMATS["tool_call"], "say"),
        (ActionFormat(listed=True), "choose"),
    ],
)
def test_an_environment_that_declares_no_families_has_those_of_its_kind(form: ActionFormat, name: str) -> None:
    assert [family.name for family in families(form)] == [name]
    assert families(ActionFormat(families=(TAKE,))) == (TAKE,)


def test_what_is_on_offer_is_listed_where_it_must_be_seen_and_is_not() -> None:
    listed = ActionFormat(listed=True)
    assert list_offered(listed, ("go", "stay"), "A door.") == "You can do one of these:\ngo\nstay"
    assert list_offered(listed, ("go", "stay"), "You may go or stay.") == ""
    assert list_offered(ActionFormat(), ("go", "stay"), "A door.") == ""


@pytest.mark.parametrize("env_id", [spec.id for spec in ENVIRONMENTS])
def test_every_action_on_offer_can_be_said_by_calling_one_family(env_id: str) -> None:
    """Two families mean an action only where their calls write the same text."""
    known = families(declared_format(env_id))
    places = {f.name: re.sub(r"\\{\w+\\}", "(.*)", re.escape(f.form)) for f in known}
    env = gym.make(env_id)
    _, info = env.reset(seed=5)
    for step in range(12):
        offered = info.get("admissible_actions") or []
        for action in {*offered} - UNTOLD if info.get("tools") is None else ():
            found = [f for f in known if re.fullmatch(places[f.name], action, re.DOTALL)]
            assert found, action
            for family in found:
                values = re.fullmatch(places[family.name], action, re.DOTALL).groups()  # type: ignore[union-attr]
                names = [name for name, _ in family.arguments]
                assert write_action(family, dict(zip(names, values, strict=True))) == action
        bits = rng.derive(7, step)
        action = offered[bits * len(offered) >> 64] if offered else "look"
        _, _, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            break
    env.close()
