"""How large a file is does not decide how much memory its import takes, nor does how long its episodes are."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders.five_logs import lines

pytestmark = pytest.mark.slow

_PEAK = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "credit_gym.cli", *sys.argv[1:]], capture_output=True, text=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
sys.exit(done.returncode and done.stderr)
"""
SOURCES = ("user", "agent")


def chat(texts: list[str]) -> dict[str, Any]:
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[n % 2], "content": text} for n, text in enumerate(texts)], "reward": 1}


def atif(texts: list[str]) -> dict[str, Any]:
    steps = [{"step_id": n, "source": SOURCES[(n - 1) % 2], "message": text} for n, text in enumerate(texts, 1)]
    agent = {"name": "a", "version": "1"}
    return {"schema_version": "ATIF-v1.7", "agent": agent, "steps": steps, "extra": {"reward": 1}}


def written(path: Path, record: Callable[[list[str]], Any], megabytes: int, messages: int) -> Path:
    """A file of so many megabytes, no text of which is another's."""
    draw = random.Random(0)
    rows, size = [], 0
    while size < megabytes * 1_000_000:
        texts = [f"{draw.random()} {'and so it goes ' * 60}" for _ in range(messages)]
        rows.append(record(texts))
        size += sum(map(len, texts))
    return lines(path, rows)


def peak(file: Path) -> int:
    """Megabytes."""
    command = [sys.executable, "-c", _PEAK, "import", file.name]
    done = subprocess.run(command, cwd=file.parent, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.parametrize(("record", "messages"), [(chat, 20), (atif, 600)])
def test_four_times_the_file_takes_no_more_memory(
    record: Callable[[list[str]], Any], messages: int, tmp_path: Path
) -> None:
    few, many = (peak(written(tmp_path / f"{size}.jsonl", record, size, messages)) for size in (6, 24))
    assert many < few + 15
    assert many < 250
