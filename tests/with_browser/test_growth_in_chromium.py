"""A page of a store that grows: new episodes come, and the place where one reads, writes and scrolls stays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from builders.browsers import until
from builders.episodes import walk

from credit_gym.report.viewer.live_view import LiveRuns, live_server
from credit_gym.report.viewer.shown_run import scored_run
from credit_gym.store import Store

RUNS = ("run_a", "run_b")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as opened:
        for run_id in RUNS:
            opened.start_run(env_id="credit/Test-v0", agent_id="a", run_id=run_id)
        yield opened


@pytest.fixture
def serve(store: Store) -> Iterator[Callable[..., str]]:
    """Serve the runs; a second call serves them anew at the same port."""
    ended = []

    def start(port: int = 0) -> str:
        live = LiveRuns(
            lambda: sum(len(store.episodes(run_id)) for run_id in RUNS),
            lambda: [scored_run(run_id, "a", store.episodes(run_id), [("grpo", {})]) for run_id in RUNS],
        )
        server, address = live_server("live", live, port=port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ended.append(lambda: (server.shutdown(), server.server_close()))
        return address

    yield start
    for end in ended:
        end()


def add(store: Store, run_id: str, numbers: range, **changes: object) -> None:
    store.add_episodes(run_id, [walk(str(i), group_id=run_id, **changes) for i in numbers])


def press(page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
        page.evaluate("new Promise((done) => setTimeout(done, 40))")


def grown(page, count: int) -> None:
    until(page, f"document.getElementById('summary').textContent.includes('{count} episode')")
    until(page, f"document.getElementById('said').textContent.startsWith('{count} episode')")


def test_what_was_opened_stays_open_and_where_it_was(visit, store, serve) -> None:
    long = "".join(f"line {i}\n" for i in range(30))
    add(store, "run_a", range(3), steps=30, observations=(long,) * 31)
    page = visit(f"{serve()}#run_a/1/12")
    page.locator(".step.current .more").first.click()
    press(page, "w")
    page.wait_for_selector(".step.current .why .equations")
    top = page.evaluate("document.querySelector('.step.current .why').getBoundingClientRect().top")
    page.evaluate("document.querySelector('#episode').firstChild.dataset.before = 'yes'")
    add(store, "run_a", range(3, 5), steps=30, success=False, rewards=(0.0,) * 30)
    grown(page, 5)
    assert page.evaluate("document.querySelector('#episode').firstChild.dataset.before") is None  # it is drawn anew
    page.wait_for_selector(".step.current .why .equations")
    assert page.get_attribute(".step.current", "data-step") == "12"
    assert page.locator(".step.current .long").count() == 0
    assert page.evaluate("document.activeElement.parentElement.className") == "why"
    now = page.evaluate("document.querySelector('.step.current .why').getBoundingClientRect().top")
    assert abs(now - top) < 3


def test_a_note_that_is_being_written_goes_on(visit, store, serve) -> None:
    add(store, "run_a", range(2))
    page = visit(serve())
    press(page, "n", "-", "e")
    page.keyboard.type("turned back")
    press(page, "Home")
    add(store, "run_a", range(2, 4))
    grown(page, 4)
    page.keyboard.type("it ")
    press(page, "Enter")
    assert page.input_value(".step.current .note") == "it turned back"
    page.reload()
    page.wait_for_selector(".step")
    assert page.input_value(".step[data-step='0'] .note") == "it turned back"
    press(page, "u")
    assert page.locator(".step .mark.bad[aria-pressed=true]").count() == 1


def test_the_list_stays_at_the_row_that_is_in_sight_though_an_earlier_run_grew(visit, store, serve) -> None:
    add(store, "run_a", range(20))
    add(store, "run_b", range(200))
    page = visit(f"{serve()}#run_b/150")
    row = "[...document.querySelectorAll('#picker button')].find((n) => n.dataset.row === '{}').getBoundingClientRect()"
    page.wait_for_selector("#picker [data-row='170']")
    before = page.evaluate(f"({row.format(170)}).top")
    add(store, "run_a", range(20, 50))
    grown(page, 250)
    assert page.inner_text("#picker [aria-current=true] .name span") == "150"
    assert abs(page.evaluate(f"({row.format(200)}).top") - before) < 2


def test_search_and_filter_go_on(visit, store, serve) -> None:
    add(store, "run_a", range(3))
    page = visit(serve())
    page.fill("#search", "room 2")
    until(page, "document.getElementById('found').textContent === '3 of 3 episodes'")
    add(store, "run_a", range(3, 5))
    add(store, "run_b", range(1), steps=1)
    grown(page, 6)
    until(page, "document.getElementById('found').textContent === '5 of 6 episodes'")
    assert page.input_value("#search") == "room 2"


def test_a_page_of_no_episode_shows_the_first_when_it_comes(visit, store, serve) -> None:
    page = visit(serve())
    assert page.inner_text("#episode") == "There is no episode yet."
    press(page, "n", "j", "d", "l", "i", "+", "u", "b", "w", "E")  # nothing to do anything with
    add(store, "run_b", range(1))
    grown(page, 1)
    assert page.locator(".step").count() == 3


def test_a_server_that_was_away_is_heard_again(browser, store, serve) -> None:
    add(store, "run_a", range(1))
    address = serve()
    context = browser.new_context()
    page = context.new_page()  # its failed requests are complaints of the browser
    page.goto(address)
    page.wait_for_selector(".step")
    page.route("**/state.json", lambda route: route.abort())
    until(page, "document.getElementById('said').textContent.startsWith('The server does not answer')")
    page.unroute("**/state.json")
    page.route("**/overview.json", lambda route: route.abort())
    add(store, "run_a", range(1, 3))
    page.wait_for_timeout(3000)
    assert " · 1 episode · " in page.inner_text("#summary")
    page.unroute("**/overview.json")
    grown(page, 3)
    context.close()
