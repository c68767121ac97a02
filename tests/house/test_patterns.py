"""Every regular expression takes time in proportion to the text, whatever the text: none can stop a step."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from builders import ROOT
from builders.patterns import Use, hostile, unusual_imports, uses

ROOMS = ("credit_gym", "envs", "wrappers", "agents")
SIZE = 10_000  # characters of the longest text
FLOOR = 0.02  # seconds of processor time below which nothing is said
LIMIT = 0.3  # seconds after which a pattern is stopped

EXAMPLES: dict[str, dict[str, Any]] = {  # what names inside of functions stand for
    "agents/llm/cleaning.py": {"key": "sk-0123456789"},
    "agents/llm/chat_tokens.py": {"stem": "x", "special": ["<|im_start|>", "<|im_end|>"]},
    "agents/llm/openai.py": {"named": "temperature"},
    "agents/llm/prices.py": {"known": "gpt-4.1"},
    "envs/agent_dojo/embedded.py": {"text": "Bakery Street 4"},
    "envs/tau2/episodes.py": {"name": "tasks", "opening": "{"},
    "envs/tau2/phone_requests.py": {"tools": ["toggle_data", "reboot"], "pattern": "data|roaming"},
    "envs/tau2/users.py": {"tools": ["toggle_data", "reboot"]},
    "envs/team/grade_code.py": {"name": "solve"},
}
METHODS = {  # how patterns are used that go by another name where they are
    "agents/llm/styles.py": {"_ACTION_LINE": "match", "_ACTION_TEXT": "match"},
}
FILES = [
    path
    for room in ROOMS
    for path in sorted((ROOT / room).rglob("*.py"))
    if not any((ROOT / room / part).is_symlink() for part in path.relative_to(ROOT / room).parts[:1])
    and "import re\n" in path.read_text(encoding="utf-8")
]


class _LateError(Exception):
    pass


@pytest.fixture(autouse=True)
def stopped_when_late() -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _LateError

    before = signal.signal(signal.SIGVTALRM, stop)
    yield
    signal.signal(signal.SIGVTALRM, before)


def seconds(use: Use, text: str) -> float:
    """Processor time of one use, infinite if it had to be stopped."""
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)
    begun = time.process_time()
    try:
        use.run(text)
    except _LateError:
        return float("inf")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return time.process_time() - begun


def grows_faster_than_its_text(use: Use, lead: str, body: str, end: str) -> bool:
    """Whether ten times the text takes more than thirty times as long."""

    def least(size: int) -> float:
        text = lead + body * (size // len(body)) + end
        taken = seconds(use, text)
        again = range(2) if FLOOR <= taken < LIMIT else ()
        return min([taken, *(seconds(use, text) for _ in again)])

    long = least(SIZE)
    if long < FLOOR or long == float("inf"):
        return long > FLOOR
    middle, short = least(SIZE // 10), least(SIZE // 100)
    return long > 30 * max(middle, FLOOR / 10) or middle > 30 * max(short, FLOOR / 10)


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_pattern_takes_time_in_proportion_to_the_text(path: Path) -> None:
    file = str(path.relative_to(ROOT))
    found = uses(path, EXAMPLES.get(file, {}), METHODS.get(file, {}))
    assert found, f"{file} imports re and has no pattern that can be seen."
    slow = [
        f"{use} on {lead!r} + {body!r} * n + {end!r}"
        for use in found
        for lead, body, end in hostile(use.pattern)
        if grows_faster_than_its_text(use, lead, body, end)
    ]
    assert not slow, slow[:3]


@pytest.mark.slow
def test_no_pattern_is_used_unseen() -> None:
    """Others write ``import re`` and ``re.compile(...)``, which is how patterns are found."""
    paths = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    assert not {str(path): names for path in paths if (names := unusual_imports(path))}


@pytest.mark.slow
def test_what_is_known_to_be_bad_is_found_to_be_bad() -> None:
    """The texts find the kinds of patterns that have stopped a step."""
    bad = {
        r"(.+)\[(.+)\]": "match",
        r"\b([a-z]+)\s*=\s*(?:[\d\s+*/().×-]*=\s*)*\$?(-?\d[\d,]*+)": "findall",
        r"<answer>(.*?)</answer>": "findall",
        r"\W*(?:1\.)?\W*(yes|no)\b": "match",
        r"[\w.]+@[\w.]+\w": "search",
        r"(\d+) out of 10": "search",
        r"\\boxed\{\s*(?:x)?\s*$": "search",
        r"(?:[^\W\d_]|\^ ?\{?\d\}?|[{}])+": "fullmatch",
    }
    for source, method in bad.items():
        use = Use("here", source, re.compile(source, re.DOTALL), method)
        assert any(grows_faster_than_its_text(use, *text) for text in hostile(use.pattern)), source
