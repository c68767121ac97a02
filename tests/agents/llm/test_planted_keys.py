"""A server that echoes the key in every field of every answer: it is found in no file, on no screen, in no page."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from builders.commands import call
from builders.model_servers import (
    KEY,
    Reply,
    Seen,
    anthropic_calling,
    anthropic_message,
    anthropic_server,
    calling,
    chat_completion,
    error_body,
    serving,
    vllm_server,
)
from builders.protocols import PROTOCOLS, REQUEST, ask_server
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.agents.llm.cleaning import MARK, without
from credit_gym.store import Store

SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in capitals": str.upper,
    "JSON": lambda sign: f"\\u{ord(sign):04x}",
    "JSON in JSON": lambda sign: f"\\\\u{ord(sign):04X}",
    "hexadecimal": lambda sign: f"\\x{ord(sign):02x}",
    "octal": lambda sign: f"\\{ord(sign):03o}",
    "entity": lambda sign: f"&#{ord(sign)};",
    "hexadecimal entity": lambda sign: f"&#x{ord(sign):x};",
    "address": lambda sign: f"%{ord(sign):02x}",
}
WHOLE = chat_completion("go", reasoning_content="hm", refusal=None, name="x", extra={"a": ["b"]})
WHOLE["choices"][0]["logprobs"]["content"][0] |= {"top_logprobs": [{"token": "go", "logprob": -0.1, "bytes": None}]}
WHOLE |= {"system_fingerprint": "f", "service_tier": "t", "usage": {**WHOLE["usage"], "details": {"cached": "1"}}}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("openai", "text"): WHOLE,
    ("openai", "call"): calling("go", {"to": "x", "deep": [{"a": "b"}]}, "say"),
    ("anthropic", "text"): anthropic_message("go"),
    ("anthropic", "call"): anthropic_calling("go", {"to": "x", "deep": [{"a": "b"}]}, "say"),
}


def planted(value: Any, put: Callable[[str], str]) -> Iterator[Any]:
    """Every body that holds the key in one of its texts, or in the name of one of its fields."""
    if isinstance(value, str):
        yield put(value)
    for name, inner in value.items() if isinstance(value, dict) else ():
        yield from ({**value, name: each} for each in planted(inner, put))
        yield {**value, put(name): inner}
    for place, inner in enumerate(value) if isinstance(value, list) else ():
        yield from ([*value[:place], each, *value[place + 1 :]] for each in planted(inner, put))
    if value is None or isinstance(value, (int, float)):
        yield put(str(value))


@pytest.mark.slow
@pytest.mark.parametrize("place", ["instead", "inside"])
@pytest.mark.parametrize(("protocol", "kind"), BODIES)
@pytest.mark.filterwarnings("ignore:.*cannot be read")
def test_a_key_in_any_one_field_of_an_answer_is_in_no_part_of_what_is_kept(
    protocol: str, kind: str, place: str
) -> None:
    bodies = list(planted(BODIES[protocol, kind], lambda text: KEY if place == "instead" else f"{text} {KEY}."))
    assert len(bodies) > 15
    _, faithful, _ = PROTOCOLS[protocol]
    waiting = iter(bodies)

    def answer(seen: Seen) -> Reply:
        return Reply(next(waiting)) if seen.method == "POST" else faithful(seen)

    outcomes, _ = ask_server(protocol, answer, *[REQUEST] * len(bodies))
    assert len(outcomes) == len(bodies)
    for outcome in outcomes:
        said = f"{outcome!r} {outcome} {vars(outcome) if isinstance(outcome, Exception) else ''}"
        assert "planted" not in said.lower()


@pytest.mark.parametrize("spelling", SPELLINGS)
@given(before=st.text(max_size=20), after=st.text(max_size=20))
def test_a_key_is_taken_out_however_it_is_spelt(spelling: str, before: str, after: str) -> None:
    spelt = "".join(map(SPELLINGS[spelling], KEY))
    assert MARK in without(KEY, f"{before}{spelt}{after}")
    assert "planted" not in without(KEY, f"{before}{spelt}{after}").lower()


@given(st.text(alphabet=st.sampled_from("ab\\u0041x%&#;/7\"' ")))
def test_a_text_without_the_key_stays_as_it_is(text: str) -> None:
    assert without(KEY, text) == text


_ECHO = {"message": f"bad {KEY}", "code": KEY, "type": KEY, "param": KEY}
HEADERS = {
    "x-request-id": KEY,
    "request-id": KEY,
    "set-cookie": f"a={KEY}",
    "retry-after": KEY,
    "x-should-retry": "false",
}
FAULTS = {
    "refused": Reply({"error": _ECHO}, 400, headers=HEADERS),
    "unknown key": Reply({"error": _ECHO}, 401, headers=HEADERS),
    "failed": Reply(error_body(KEY), 500, headers=HEADERS),
    "no JSON": Reply(f"<html>{KEY}</html>", 503, kind="text/html", headers=HEADERS),
    "odd coding": Reply(KEY, 500, headers={**HEADERS, "content-encoding": "gzip"}),
    "error under 200": Reply({"error": _ECHO}, headers=HEADERS),
    "redirect": Reply("", 302, headers={"location": f"http://{KEY}.example/{KEY}?k={KEY}"}),
    "relative redirect": Reply("", 307, headers={"location": f"/v1/{KEY}?{KEY}#{KEY}"}),
    "broken": Reply({"id": KEY, "choices": KEY, "content": KEY}, headers=HEADERS, cut=0.5),
    "list": Reply([KEY]),
}


def echo(protocol: str) -> Callable[[Seen], Reply]:
    """A server whose first answers are faults, and whose others hold the key in several fields at once."""
    faithful = vllm_server if protocol == "openai" else anthropic_server
    faults = list(FAULTS.values())
    count = iter(range(10**6))

    def answer(seen: Seen) -> Reply:
        if seen.method == "GET":
            reply = faithful(seen)
            return Reply({**reply.body, "note": KEY}, headers=HEADERS)
        number = next(count)
        if number < len(faults):
            return faults[number]
        bodies = [body for (of, _), body in BODIES.items() if of == protocol]
        body = json.loads(json.dumps(bodies[number % 2]))
        for each in ("id", "model", "finish_reason", "stop_reason"):
            body[each] = KEY
        body["usage"][KEY] = KEY
        if protocol == "openai":
            body["choices"][0] |= {"finish_reason": KEY, "token_ids": [1]}
            body["choices"][0]["message"] |= {"content": f"go {KEY}", "reasoning_content": f"{KEY} it is"}
            body["choices"][0]["logprobs"] = {"content": [{"token": KEY, "logprob": -1.0, "top_logprobs": []}]}
        else:
            body["content"] = [{"type": "thinking", "thinking": KEY}, {"type": "text", "text": f"go {KEY}"}]
        return Reply(body, headers=HEADERS)

    return answer


def everything_in(folder: Path) -> Iterator[tuple[str, str]]:
    """The name and the content of every file below a folder, and every cell of a database or a table."""
    for path in sorted(folder.rglob("*")):
        yield str(path), path.name
        if path.is_file():
            yield str(path), path.read_bytes().decode("utf-8", "replace")
        if path.suffix == ".sqlite":
            with sqlite3.connect(path) as database:
                yield str(path), "\n".join(database.iterdump())
        if path.suffix == ".parquet":
            from pyarrow import parquet

            yield str(path), repr(parquet.read_table(path).to_pylist())


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["local", "ray"])
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_a_run_against_a_server_that_echoes_the_key_leaves_it_nowhere(
    protocol: str, executor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.chdir(tmp_path)
    logs = ["--log", "jsonl", "--log", "tensorboard"]
    with serving(echo(protocol)) as server:
        spec = f"{protocol}:m@{server.root}{PROTOCOLS[protocol][2]}"
        played = call(
            *["run", "--env", "credit/Stochastic-v0", "--agent", spec, "--episodes", "16", "--group-size", "4"],
            *["--prompting", "react", "--retries", "0", "--cache", "cache", "--executor", executor, "--workers", "2"],
            *logs,
        )
        assert len(server.posts()) > 16
    said = [played.output]
    run_id = played.stdout.split()[0]
    said.append(call("score", run_id, "--scorer", "mc").output)
    for to in ("parquet", "jsonl", "datasets", "trl-sft", "trl-kto", "verl", "openrlhf", "verifiers"):
        said.append(call("targets", run_id, "--scorer", "mc", "--to", to).output)
    said += [call("report", run_id, "--scorer", "mc").output, call("runs").output]
    said += map(str, (warning.message for warning in recwarn.list))

    with Store.open(tmp_path / "runs" / run_id, create=False) as store:
        episodes = store.load_episodes(run_id)
    assert {episode.error is None for episode in episodes} == {True, False}, "some failed, some did not"
    assert MARK in repr(episodes)
    places = [*everything_in(tmp_path), *(("screen", text) for text in [*said, repr(episodes)])]
    assert {"report.html", "log.jsonl"} <= {Path(place).name for place, _ in places}
    assert [place for place, text in places if "planted" in text.lower()] == []
