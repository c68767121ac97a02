"""Answers on disk: what was answered once is not asked again, and nothing else is taken for it."""

import json
import resource
import warnings
from dataclasses import replace
from functools import partial

import pytest
from builders.fake_backends import PASSING, REQUEST, Fake, alone, together, used

from credit_gym.agents.llm.completion import Completion, Position, Request
from credit_gym.agents.llm.response_cache import Cached
from credit_gym.agents.llm.server import ServerError
from credit_gym.errors import CreditGymError


def test_what_was_answered_once_is_not_asked_again(tmp_path):
    full = Completion(
        text="gö\n", prompt_token_ids=(1,), token_ids=(2, 3), logprobs=(-0.1, -1e-30), usage={"prompt_tokens": 3.0}
    )
    called = {"id": "1", "name": "gö", "arguments": {"a": [1, None, "ö"]}}
    full = replace(full, thought="hm", finish_reason="tool_calls", tool_calls=(called, {**called, "arguments": "{"}))
    full = replace(full, positions=(Position("g", (("g", -0.1), ("ö", -3.0))), Position("ö")))
    fake = Fake(full)
    assert [alone(Cached(fake, tmp_path)) for _ in range(3)] == [full] * 3
    assert len(fake.asked) == 1


def test_an_answer_from_the_cache_costs_nothing(tmp_path):
    fake = Fake(Completion(text="go", usage={"prompt_tokens": 3.0, "dollars": 0.5}))
    costs = [alone(Cached(fake, tmp_path)).usage for _ in range(2)]
    assert costs == [{"prompt_tokens": 3.0, "dollars": 0.5}, {"prompt_tokens": 3.0, "dollars": 0.0}]


def test_every_part_of_a_request_and_the_model_tell_answers_apart(tmp_path):
    fake, other = Fake(used()), Fake(used())
    other.name = "fake:other"
    changes = [
        {},
        {"messages": ({"role": "user", "content": "y"},)},
        {"seed": 1},
        {"max_tokens": 9},
        {"temperature": 0.5},
        {"stop": ("a",)},
        {"choices": ("a",)},
        {"repetition": 1},
        {"top_logprobs": 5},
        {"opening": "So:"},
        {"tools": ({"type": "function", "function": {"name": "go"}},)},
        {"tools": ({"type": "function", "function": {"name": "stay"}},)},
        {"messages": ({"role": "user", "content": "x", "tool_calls": []},)},
    ]
    for change in changes * 2:
        alone(Cached(fake, tmp_path), replace(REQUEST, **change))
    alone(Cached(other, tmp_path))
    assert (len(fake.asked), len(other.asked)) == (len(changes), 1)


def test_answers_kept_before_requests_had_alternatives_are_still_found(tmp_path):
    """The name and the content of a file of that time."""
    path = tmp_path / "ec" / "7869cc17833e052f53aab31ff6ec56646460d501d8695c84220341b4bf4f60.json"
    path.parent.mkdir()
    kept = {"text": "go", "prompt_token_ids": [], "token_ids": [], "logprobs": [], "usage": {}, "constrained": False}
    path.write_text(json.dumps({"completion": {**kept, "finish_reason": "stop"}}))
    asked = Request(messages=({"role": "user", "content": "x"},), seed=7, stop=("a",))
    assert alone(Cached(Fake(PASSING), tmp_path), asked) == Completion(text="go")


def test_failures_are_not_kept(tmp_path):
    fake = Fake(PASSING, used())
    with pytest.raises(ServerError):
        alone(Cached(fake, tmp_path))
    assert alone(Cached(fake, tmp_path)) == used()


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"completion": {}}', '{"completion": {"text": 1, "usage": 2}}', "\x00"]
)
def test_a_damaged_file_is_written_anew(tmp_path, damage):
    fake = Fake(used())
    alone(Cached(fake, tmp_path))
    (path,) = tmp_path.rglob("*.json")
    whole = path.read_text()
    path.write_text(damage)
    assert alone(Cached(fake, tmp_path)) == used()
    assert path.read_text() == whole
    assert len(fake.asked) == 2


def test_a_cache_file_holds_the_request_and_no_temporary_is_left(tmp_path):
    together(Cached(Fake(used()), tmp_path / "new" / "folder"), [REQUEST] * 20)
    (path,) = (entry for entry in tmp_path.rglob("*") if entry.is_file())
    assert json.loads(path.read_text())["request"]["messages"][0]["content"] == "x" * 36


def a_file(folder):
    folder.rmdir()
    folder.write_text("")


def a_full_disk(folder):
    """No file may grow: what a full disk says when it is written to."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    return partial(resource.setrlimit, resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("spoil", [a_file, a_full_disk])
def test_an_answer_that_cannot_be_kept_is_an_answer_and_that_is_said_once(tmp_path, spoil):
    folder = tmp_path / "cache"
    cached = Cached(Fake(used()), folder)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mend = spoil(folder)
        try:
            answers = together(cached, [replace(REQUEST, seed=seed) for seed in range(3)])
        finally:
            if mend:
                mend()
    assert answers == [used()] * 3
    assert ["cannot be written" in str(warning.message) for warning in caught] == [True]
    assert [path for path in tmp_path.rglob("*") if path.suffix] == []


def test_a_cache_whose_folder_was_removed_is_made_anew(tmp_path):
    cached = Cached(Fake(used()), tmp_path / "cache")
    (tmp_path / "cache").rmdir()
    assert alone(cached) == used()
    assert len(list(tmp_path.rglob("*.json"))) == 1


def test_a_cache_that_cannot_be_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CreditGymError, match="name a folder that can be written"):
        Cached(Fake(used()), tmp_path / "file")
