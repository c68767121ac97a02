"""A real browser, and waiting in it: a page that may run no text refuses what Playwright waits with."""

from __future__ import annotations

import shutil
import time
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-precise-memory-info",
)


def until(page: Any, expression: str, *, seconds: float = 20.0) -> None:
    """Wait until an expression holds in a page."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"{expression} does not come true"
        page.wait_for_timeout(30)


def press(page: Any, *keys: str) -> None:
    """Press keys one after the other, each when what the one before did is drawn."""
    for key in keys:
        page.keyboard.press(key)
        page.evaluate("new Promise((done) => setTimeout(done, 50))")
