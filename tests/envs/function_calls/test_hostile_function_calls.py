"""What strangers write: calls, gold answers, a folder with code, and states that grow."""

from __future__ import annotations

import decimal
import json
import os
import sys
import time
from pathlib import Path

import mpmath
import pytest
from builders.small_bfcl import CODE, POST, small_bfcl
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.envs.function_calls.actions import MOST_CALLS
from credit_gym.envs.function_calls.conversation import Conversation
from credit_gym.envs.function_calls.env import FunctionCallsEnv
from credit_gym.envs.function_calls.gold import Call, read_gold, write_gold
from credit_gym.envs.function_calls.plan import Plan
from credit_gym.envs.function_calls.published import find_folder, read_tasks
from credit_gym.envs.function_calls.sources import open_source
from credit_gym.envs.function_calls.state import distance, mark, same
from credit_gym.errors import ManifestError

VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bfcl(tmp_path_factory.mktemp("bfcl"))


def plan_of(folder: Path, category: str) -> Plan:
    source = open_source("folder", category, folder=folder)
    return Plan(source.library, source.tasks[0])


@given(st.from_regex(r"[a-z]{1,9}", fullmatch=True), st.lists(VALUES, max_size=3), st.dictionaries(
    st.from_regex(r"z[a-z]{1,5}x", fullmatch=True), VALUES, max_size=3))  # fmt: skip
def test_gold_calls_are_read_as_they_are_written(name: str, positional: list[object], named: dict[str, object]) -> None:
    if not name.isidentifier() or name in ("if", "in", "is", "as", "or", "not", "and", "def", "for", "try", "del"):
        name = "tool"
    call = Call(name, tuple(positional), named)
    assert read_gold(write_gold(call)) == call


@pytest.mark.parametrize(
    "text",
    [
        "f(g(1))",
        "f(**{'a': 1})",
        "f(*[1])",
        "a.f(1)",
        "__import__('os').system('true')",
        "f(x)",
        "f(1) + 1",
        "f",
        "f(1); g(2)",
        "",
        "f(" + "(" * 5000,
        "f(" + "1," * 20_000 + ")",
    ],
)
def test_what_is_no_call_with_literals_is_refused_as_a_gold_call(text: str) -> None:
    with pytest.raises(ManifestError, match="is no call"):
        read_gold(text)


TOOLS = ("mkdir", "echo", "cat", "cp", "post", "tag", "power", "round_number", "load", "_load_scenario")
ARGUMENTS = (
    *("dir_name", "content", "file_name", "source", "destination", "text"),
    *("tags", "number", "tag", "base", "exponent", "decimal_places", "self"),
)


@given(st.sampled_from(TOOLS), st.dictionaries(st.sampled_from(ARGUMENTS), VALUES))
@settings(max_examples=200, deadline=None)
def test_whatever_a_call_says_it_is_answered(folder: Path, name: str, arguments: dict[str, object]) -> None:
    env = FunctionCallsEnv(folder=folder, category="base")
    env.reset(seed=0)
    for action in (json.dumps({"name": name, "arguments": arguments}), f"{name}(**{arguments!r})"):
        observation, reward, *_, info = env.step(action)
        assert reward == 0.0
        assert info["invalid"] or observation.startswith(("tool: ", "user: "))
        env.restore_state(env.clone_state())


@pytest.mark.parametrize(
    "action",
    [
        "power(2, 10**9)",
        "power(2, 1000000000)",
        "power(99999999999999999999, exponent=9999999)",
        "round_number(5, decimal_places=-1000000000)",
        "square_root(2.0, precision=1000000000)",
        "square_root('1e999999999', 5)",
    ],
)
def test_a_number_that_would_take_for_ever_is_refused_before_the_call(folder: Path, action: str) -> None:
    env = FunctionCallsEnv(folder=folder, category="base")
    env.reset(seed=0)
    began = time.process_time()
    observation, *_ = env.step(action)
    assert observation.startswith("tool: Error")
    assert time.process_time() - began < 1.0


def test_what_a_call_sets_for_everybody_is_set_back(folder: Path) -> None:
    before = decimal.getcontext().prec, mpmath.mp.dps
    env = FunctionCallsEnv(folder=folder, category="base")
    env.reset(seed=0)
    assert (
        env.step("square_root(2.0, precision=70)")[0].count("4142135623730950488016887242096980785696718753769480731")
        == 1
    )
    assert (decimal.getcontext().prec, mpmath.mp.dps) == before


def test_too_many_calls_in_one_action_are_none(folder: Path) -> None:
    env = FunctionCallsEnv(folder=folder, category="base")
    env.reset(seed=0)
    action = f"[{', '.join(['ls()'] * (MOST_CALLS + 1))}]"
    assert env.step(action)[4]["invalid"]
    assert not env.step(action.replace("ls(), ", "", 1))[4]["invalid"]


@pytest.mark.parametrize("depth", [40, 3000])
def test_a_state_that_holds_itself_or_doubles_with_every_call_takes_no_more_calls(folder: Path, depth: int) -> None:
    talk = Conversation(plan_of(folder, "base"), 1 << 62)
    began = time.process_time()
    for name in ("a", "b"):
        talk.do((Call("mkdir", (name,)),))
    if depth == 40:  # b/a, b/b, b/b/b ...: each copy is the same folder once more
        for number in range(depth):
            talk.do((Call("mkdir", (f"d{number}",)),))
            for source in ("a", "b", *(f"d{each}" for each in range(number))):
                talk.do((Call("cp", (source, f"d{number}")),))
    else:
        for _ in range(depth):
            talk.do((Call("mkdir", ("a",)), Call("cd", ("a",))))
    assert "takes no more calls" in talk.do((Call("ls", ()),))
    assert not talk.success
    assert talk.key()
    assert time.process_time() - began < 20.0


def test_what_a_back_end_keeps_of_an_argument_does_not_change_the_gold_call(folder: Path) -> None:
    plan = plan_of(folder, "base")
    for _ in range(2):
        talk = Conversation(plan)
        for calls in plan.gold:
            talk.replay([*((call,) for call in calls), None])
        assert talk.success
    assert [write_gold(call) for call in plan.gold[1]] == POST


@given(VALUES, VALUES)
def test_a_distance_of_nought_is_sameness_and_marks_tell_states_apart(one: object, other: object) -> None:
    ours, gold = {"value": one, "more": 1}, {"value": other}
    assert (distance(ours, gold) == 0) == same(ours, gold) == (one == other)
    assert distance(gold, gold) == 0
    assert (mark({"value": one}) == mark({"value": other})) == (repr(one) == repr(other))


def test_nothing_of_the_folder_stays_behind(folder: Path) -> None:
    before = set(sys.modules)
    env = FunctionCallsEnv(folder=folder, category="base")
    env.reset(seed=0)
    assert not {name for name in set(sys.modules) - before if name.startswith("bfcl")}
    assert not list(folder.rglob("__pycache__"))


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    place = small_bfcl(tmp_path / "wheel")
    code = next(place.rglob("posting_api.py"))
    (tmp_path / "elsewhere.py").write_text(code.read_text())
    code.unlink()
    code.symlink_to(tmp_path / "elsewhere.py")
    with pytest.raises(ManifestError, match="without links out of it"):
        FunctionCallsEnv(folder=place, category="base").reset(seed=0)


def test_code_that_cannot_be_loaded_is_told_in_a_sentence(tmp_path: Path) -> None:
    place = small_bfcl(tmp_path)
    next(place.rglob("posting_api.py")).write_text("raise ValueError('no')\n")
    with pytest.raises(ManifestError, match=r"posting_api.py cannot be loaded: ValueError\('no'\)"):
        FunctionCallsEnv(folder=place, category="base").reset(seed=0)
    next(place.rglob("posting_api.py")).write_text(CODE["posting_api"])
    assert FunctionCallsEnv(folder=place, category="base").reset(seed=0)[0] == "user: make a folder"


def test_without_a_folder_the_error_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BFCL_DIR", raising=False)
    with pytest.raises(ManifestError, match="pip download --no-deps bfcl-eval"):
        FunctionCallsEnv("folder")
    with pytest.raises(ManifestError, match="is no unpacked bfcl-eval"):
        find_folder(tmp_path)
    assert find_folder(small_bfcl(tmp_path / "wheel")) == tmp_path / "wheel" / "bfcl_eval"
    monkeypatch.setenv("BFCL_DIR", os.fspath(tmp_path / "wheel" / "bfcl_eval"))
    assert FunctionCallsEnv("folder").num_tasks == 4


@pytest.mark.parametrize("damage", ["{", "[1]", '{"id": 1}', '{"id": "multi_turn_base_0", "question": 5}', "\xff"])
def test_a_damaged_file_is_told_in_a_sentence(tmp_path: Path, damage: str) -> None:
    place = find_folder(small_bfcl(tmp_path))
    (place / "data" / "BFCL_v4_multi_turn_base.json").write_text(damage, "latin-1")
    with pytest.raises(ManifestError):
        read_tasks(place, "base")
