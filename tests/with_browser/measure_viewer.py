"""Measure a page of the viewer by Chromium's own clock.

``PYTHONPATH=tests python tests/with_browser/measure_viewer.py ADDRESS``

Thread time is what the page's own thread computed, however busy the machine was. Long tasks are those that the
browser's performance API calls so: whatever kept the page from answering for 50 ms, by the wall.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builders.browsers import CHROMIUM, SWITCHES, until
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

OBSERVE = """window.long = []; new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.long.push(Math.round(entry.duration));
}).observe({ entryTypes: ['longtask'] })"""
FRAME = "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
LIST = "(i) => { const list = document.getElementById('picker'); list.scrollTop = (i * 2777) % list.scrollHeight; }"
EPISODE = "(i) => window.scrollTo(0, (i * 77) % document.documentElement.scrollHeight)"
FRAMES = 150


def measure(browser: Browser, page: Page, address: str) -> None:
    clock = page.context.new_cdp_session(page)
    clock.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.add_init_script(OBSERVE)
    print("load of the machine, before:", os.getloadavg()[0])
    with measured(page, clock, "loading"):
        page.goto(address)
        until(page, "performance.getEntriesByName('interactive').length > 0")
    print("ms until it can be used:", page.evaluate("performance.getEntriesByName('interactive')[0].startTime"))
    print("elements:", page.evaluate("document.querySelectorAll('*').length"))
    scroll(page, clock, "the list, every row another", LIST)
    scroll(page, clock, "the episode", EPISODE)
    page.evaluate("window.scrollTo(0, 0)")
    for key in "jjjnwm+-bvrrdg":
        with measured(page, clock, f"the key {key}"):
            page.keyboard.press(key)
            page.evaluate(FRAME)
    scroll(page, clock, "the episode with its panels open", EPISODE)
    begun = page.evaluate("performance.now()")
    with measured(page, clock, "a search that finds nothing"):
        page.fill("#search", "no such text")
        until(page, "document.getElementById('found').textContent.startsWith('Nothing')")
    print("ms of it by the wall:", page.evaluate("performance.now()") - begun)
    print("MB of the heap:", page.evaluate("performance.memory.usedJSHeapSize / 1e6"))
    print("MB of the page's process:", resident(browser))
    print("load of the machine, after:", os.getloadavg()[0])


def scroll(page: Page, clock: CDPSession, what: str, to: str) -> None:
    """Scroll frame by frame; what a frame takes by the thread is what it computes, layout and paint records with it."""
    page.evaluate("window.long.splice(0)")
    frames = []
    for i in range(FRAMES):
        begun = thread_time(clock)
        page.evaluate(to, i)
        page.evaluate(FRAME)
        frames.append(1e3 * (thread_time(clock) - begun))
    middle = sorted(frames)[FRAMES // 2]
    print(f"scrolling {what}: ms of thread time a frame: {middle:.1f}, at most {max(frames):.1f};", long_tasks(page))


@contextmanager
def measured(page: Page, clock: CDPSession, what: str) -> Iterator[None]:
    begun = thread_time(clock)
    yield
    took = 1e3 * (thread_time(clock) - begun)
    page.wait_for_timeout(300)
    print(f"{what}: ms of thread time: {took:.1f};", long_tasks(page))


def thread_time(clock: CDPSession) -> float:
    found = clock.send("Performance.getMetrics")["metrics"]
    return float(next(metric["value"] for metric in found if metric["name"] == "TaskDuration"))


def long_tasks(page: Page) -> str:
    return f"long tasks by the wall: {page.evaluate('window.long.splice(0)')}"


def resident(browser: Browser) -> list[int]:
    """Memory of the pages' processes as the system counts it."""
    found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    pages = [each["id"] for each in found if each["type"] == "renderer"]
    statuses = [Path(f"/proc/{pid}/status").read_text("utf-8").splitlines() for pid in pages]
    return sorted(int(line.split()[1]) // 1000 for status in statuses for line in status if line.startswith("VmRSS"))


if __name__ == "__main__":
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        measure(opened, opened.new_page(viewport={"width": 1280, "height": 900}), sys.argv[1])
        opened.close()
