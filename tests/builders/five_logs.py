"""Five attempts at one door in every format that is read: two rooms, three actions, an outcome."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from builders.inspect_logs import archive, members, sample

ATTEMPTS = (("right", "open"), ("left", "open"), ("right", "wait"), ("left", "wait"), ("right", "open"))
SEEN = {"right": "room 1: a door", "left": "room 2: a wall"}
WON = ("right", "open")


def chat(number: int) -> dict[str, Any]:
    first, second = ATTEMPTS[number]
    messages = [
        {"role": "system", "content": "Open the door."},
        {"role": "user", "content": "room 0"},
        {"role": "assistant", "content": first},
        {"role": "user", "content": SEEN[first]},
        {"role": "assistant", "content": second},
    ]
    return {"messages": messages, "reward": float(ATTEMPTS[number] == WON), "task_id": "door"}


def steps(number: int) -> dict[str, Any]:
    first, second = ATTEMPTS[number]
    rows = [{"observation": "room 0", "action": first}, {"observation": SEEN[first], "action": second}]
    return {"steps": rows, "success": ATTEMPTS[number] == WON, "task_id": "door"}


def atif(number: int) -> dict[str, Any]:
    first, second = ATTEMPTS[number]
    said = [
        ("system", "Open the door."),
        ("user", "room 0"),
        ("agent", first),
        ("user", SEEN[first]),
        ("agent", second),
    ]
    return {
        "schema_version": "ATIF-v1.7",
        "session_id": f"s{number}",
        "agent": {"name": "walker", "version": "1"},
        "steps": [{"step_id": n, "source": who, "message": text} for n, (who, text) in enumerate(said, 1)],
        "extra": {"reward": float(ATTEMPTS[number] == WON), "task": "door"},
    }


def trace(number: int) -> dict[str, Any]:
    nodes = [
        {"parent": place - 1 if place else None, "message": message, "sampled": message["role"] == "assistant"}
        for place, message in enumerate(chat(number)["messages"])
    ]
    return {
        "version": 1,
        "id": f"t{number}",
        "task": {"key": "door", "data": {"idx": 0, "prompt": "Open the door."}},
        "nodes": nodes,
        "rewards": {"won": {"score": float(ATTEMPTS[number] == WON), "weight": 1.0}},
        "ok": True,
    }


def simulation(number: int) -> dict[str, Any]:
    said = [*chat(number)["messages"][1:], {"role": "user", "content": "thanks"}]
    return {
        "id": f"c{number}",
        "task_id": "door",
        "trial": number,
        "messages": [{**message, "turn_idx": turn} for turn, message in enumerate(said)],
        "termination_reason": "user_stop",
        "reward_info": {"reward": float(ATTEMPTS[number] == WON)},
    }


def logged(number: int) -> dict[str, Any]:
    score = "C" if ATTEMPTS[number] == WON else "I"
    return sample("door", number + 1, scores={"match": {"value": score, "answer": "3"}})


def lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def results(path: Path, rows: list[Any]) -> Path:
    path.write_text(json.dumps({"info": {}, "tasks": [], "simulations": rows}), "utf-8")
    return path


def log(path: Path, rows: list[Any]) -> Path:
    path.write_bytes(archive(members(rows)))
    return path


FORMATS: dict[str, tuple[Callable[[int], dict[str, Any]], Callable[[Path, list[Any]], Path]]] = {
    "chat": (chat, lines),
    "steps": (steps, lines),
    "atif": (atif, lines),
    "verifiers": (trace, lines),
    "tau2": (simulation, results),
    "inspect": (logged, log),
}
"""Format -> what makes a record of an attempt, and what writes records as a file."""


def written(source: str, path: Path) -> Path:
    record, write = FORMATS[source]
    return write(path, [record(number) for number in range(len(ATTEMPTS))])
