"""Programs run in a sandbox by a test, and the processes that they leave."""

from __future__ import annotations

from pathlib import Path

from credit_gym.envs.team.sandbox import Program, Result, Sandbox

SECONDS = 1.0
RIGHT = "def f(x):\n    return x + 1\n"
TESTS = ("assert f(1) == 2", "assert f(5) == 6")


def run(sandbox: Sandbox, source: str, *tests: str, names: tuple[str, ...] = ("f",)) -> tuple[Result, ...]:
    return sandbox.run(Program(source, tests or TESTS, names))


def passes(sandbox: Sandbox, source: str, *tests: str, names: tuple[str, ...] = ("f",)) -> bool:
    return all(result.passed for result in run(sandbox, source, *tests, names=names))


def processes_that_carry(mark: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
            name = (folder / "comm").read_text()
        except OSError:
            continue
        if mark in name or mark in command:
            found.append(folder.name)
    return found
