"""Logs as inspect_ai writes them, and archives that nobody honest would write."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

ZSTD, DEFLATE, STORED = 93, 8, 0
HEADER = {"version": 2, "status": "success", "eval": {"task": "sums", "model": "mockllm/model"}, "plan": {}}


def sample(identity: str | int = "a", epoch: int = 1, **changes: Any) -> dict[str, Any]:
    """A sample in which the model calls a tool and answers, as inspect logs it: chats are pooled beside the events."""
    messages = [
        {"id": "m0", "role": "system", "content": "Add.", "source": "input"},
        {"id": "m1", "role": "user", "content": "1+2?", "source": "input"},
        {
            "id": "m2",
            "role": "assistant",
            "source": "generate",
            "content": [
                {"type": "reasoning", "reasoning": "a tool can do it", "redacted": False},
                {"type": "text", "text": "Let me see."},
            ],
            "tool_calls": [{"id": "c1", "function": "add", "arguments": {"y": 2, "x": 1}, "type": "function"}],
        },
        {"id": "m3", "role": "tool", "tool_call_id": "c1", "function": "add", "content": "3"},
        {"id": "m4", "role": "assistant", "source": "generate", "content": "3"},
    ]
    events: list[dict[str, Any]] = [
        {"event": "span_begin", "name": "solvers"},
        {**_call(messages[2], "tool_calls"), "input": [], "input_refs": [[0, 2]]},
        {**_call(messages[4], "stop"), "input": [], "input_refs": [[0, 4]]},
    ]
    return {
        "id": identity,
        "epoch": epoch,
        "input": "1+2?",
        "target": "3",
        "messages": messages,
        "scores": {"match": {"value": "C", "answer": "3"}},
        "store": {},
        "events": events,
        "events_data": {"messages": messages[:4], "calls": []},
        "attachments": {},
        "model_usage": {
            "mockllm/model": {"input_tokens": 30, "input_tokens_cache_read": 4, "output_tokens": 7, "total_tokens": 41}
        },
        **changes,
    }


def members(samples: Iterable[Mapping[str, Any]], header: Any = HEADER) -> dict[str, bytes]:
    """The members of a log's archive."""
    named = {f"samples/{each['id']}_epoch_{each['epoch']}.json": as_json(each) for each in samples}
    return {"_journal/start.json": as_json(HEADER), **named, "header.json": as_json(header)}


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def archive(contents: Mapping[str, bytes], *, method: int = ZSTD, said: Mapping[str, int] | None = None) -> bytes:
    """A zip archive.

    Args:
        contents: name of each member and what it holds.
        method: how they are packed.
        said: sizes of members that the archive lies about.
    """
    body, listed = b"", b""
    for name, content in contents.items():
        packed, encoded = _packed(content, method), name.encode()
        size = (said or {}).get(name, len(content))
        shared = struct.pack(
            "<HHHHHIIIHH", 20, 0x800, method, 0, 0x21, zlib.crc32(content), len(packed), size, len(encoded), 0
        )
        listed += b"PK\x01\x02\x14\x00" + shared + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + encoded
        body += b"PK\x03\x04" + shared + encoded + packed
    end = struct.pack("<HHHHIIH", 0, 0, len(contents), len(contents), len(listed), len(body), 0)
    return body + listed + b"PK\x05\x06" + end


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _packed(content: bytes, method: int) -> bytes:
    if method == ZSTD:
        packed: bytes = pa.compress(content, "zstd", asbytes=True)
        return packed
    if method == DEFLATE:
        pack = zlib.compressobj(9, zlib.DEFLATED, -15)
        return pack.compress(content) + pack.flush()
    return content


def _call(answer: Mapping[str, Any], reason: str) -> dict[str, Any]:
    choice = {"message": answer, "stop_reason": reason}
    return {"event": "model", "model": "mockllm/model", "output": {"choices": [choice]}}
