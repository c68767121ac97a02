"""Tests of the viewer in a real Chromium (``make test-browser``); without it or playwright there are none."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from builders.browsers import CHROMIUM, SWITCHES, until

collect_ignore_glob = []
if find_spec("playwright") is None or CHROMIUM is None:
    collect_ignore_glob.append("*.py")


@pytest.fixture(scope="module")
def browser() -> Iterator:
    # Playwright has a loop running as long as it is open: no test elsewhere may meet it.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        yield opened
        opened.close()


@pytest.fixture
def visit(browser) -> Iterator:
    """Open an address as a visitor of its own; whatever the page complains of or asks for elsewhere fails the test."""
    contexts, wrong = [], []

    def open_page(address: str, *, width: int = 1280, height: int = 900, context=None):
        context = context or browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        home = address.partition("#")[0]
        page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda asked: None if asked.url.startswith(home) else wrong.append(asked.url))
        page.goto(address)
        until(page, "performance.getEntriesByName('interactive').length > 0")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []
