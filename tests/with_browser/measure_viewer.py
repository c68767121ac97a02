"""Measure a page of the viewer by Chromium's own clock.

``PYTHONPATH=tests python tests/with_browser/measure_viewer.py ADDRESS``

Thread time is what the page's own thread computed, however busy the machine was. Long tasks are those that the
browser's performance API calls so: whatever kept the page from answering for 50 ms.
"""

from __future__ import annotations

import sys

from builders.browsers import CHROMIUM, SWITCHES, until
from playwright.sync_api import CDPSession, Page, sync_playwright

OBSERVE = """window.long = []; new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.long.push(Math.round(entry.duration));
}).observe({ entryTypes: ['longtask'] })"""
SCROLL = """async () => { const list = document.getElementById('picker');
  for (let i = 0; i < 150; i += 1) {
    list.scrollTop = (i * 2777) % list.scrollHeight;
    await new Promise(requestAnimationFrame);
  } }"""


FRAMES = 150


def measure(page: Page, address: str) -> None:
    clock = page.context.new_cdp_session(page)
    clock.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.add_init_script(OBSERVE)
    page.goto(address)
    until(page, "performance.getEntriesByName('interactive').length > 0")
    print("ms until it can be used:", page.evaluate("performance.getEntriesByName('interactive')[0].startTime"))
    print("elements:", page.evaluate("document.querySelectorAll('*').length"))
    long_tasks(page, "loading")
    begun = thread_time(clock)
    page.evaluate(SCROLL)
    print(
        "ms of thread time: loading", 1e3 * begun, "a frame of scrolling", 1e3 * (thread_time(clock) - begun) / FRAMES
    )
    long_tasks(page, "scrolling the list")
    for key in "jjjnwmdg":
        page.keyboard.press(key)
        long_tasks(page, key)
    begun = page.evaluate("performance.now()")
    page.fill("#search", "no such text")
    until(page, "document.getElementById('found').textContent.startsWith('Nothing')")
    print("ms of a search that finds nothing:", page.evaluate("performance.now()") - begun)
    long_tasks(page, "searching")
    print("MB of the heap:", page.evaluate("performance.memory.usedJSHeapSize / 1e6"))


def thread_time(clock: CDPSession) -> float:
    found = clock.send("Performance.getMetrics")["metrics"]
    return next(metric["value"] for metric in found if metric["name"] == "TaskDuration")


def long_tasks(page: Page, what: str) -> None:
    page.wait_for_timeout(300)
    print(f"long tasks, {what}:", page.evaluate("window.long.splice(0)"))


if __name__ == "__main__":
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        measure(browser.new_page(viewport={"width": 1280, "height": 900}), sys.argv[1])
        browser.close()
