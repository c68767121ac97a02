"""Waiting in a real browser whose page may run no text: what Playwright waits with would be refused."""

from __future__ import annotations

import time
from typing import Any


def until(page: Any, expression: str, *, seconds: float = 20.0) -> None:
    """Wait until an expression holds in a page."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"{expression} does not come true"
        page.wait_for_timeout(30)
