"""A real browser, and waiting in it: a page that may run no text refuses what Playwright waits with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MISSING = (
    "Chromium is needed: `apt-get install chromium` as root (on Ubuntu `snap install chromium`), "
    "or `make chromium`, which asks for no root."
)


def find_chromium() -> str | None:
    """Return the path of a Chromium: the system's, else one that Playwright fetched and that starts, else None."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ms-playwright"
    folder = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or cache)
    fetched = [path for name in ("chrome", "chrome-headless-shell") for path in folder.glob(f"chromium*/*/{name}")]
    return next((str(path) for path in sorted(fetched, reverse=True) if _starts(path)), None)


def _starts(path: Path) -> bool:
    """Whether a program has the libraries that it needs, which Playwright does not fetch."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


CHROMIUM = find_chromium()
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


if __name__ == "__main__":
    if CHROMIUM is None:
        sys.exit(MISSING)
    print(CHROMIUM)
