"""Two sides compared in a real browser: pairs, filters, the step at which they part, links, phones and hostile text."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import pytest
from builders.browsers import press, until
from builders.episodes import HOSTILE, walk

import credit_gym  # noqa: F401 - registers credit/*
from credit_gym.agents import parse_agent, run_episodes
from credit_gym.metrics.paired import Pair, pair_episodes
from credit_gym.report.page import write_page
from credit_gym.report.paired_tables import difference_table
from credit_gym.report.table import cell_text
from credit_gym.report.text import printable
from credit_gym.report.viewer.live_view import LiveRuns, live_server
from credit_gym.report.viewer.shown_run import ShownRun, given_run, scored_run
from credit_gym.store import Store
from credit_gym.wrappers import RecordVerifier

SCORERS = ("gigpo", "grpo")
PRESSED = "#compare .flips [aria-pressed=true]"


def played(agent: str, name: str) -> ShownRun:
    def made() -> gym.Env[str, str]:
        return RecordVerifier(gym.make("credit/Stochastic-v0"))

    found = run_episodes(made, parse_agent(agent, seed=1), episodes=48, group_size=8, seed=1)
    return scored_run(name, agent, found, [(scorer, {}) for scorer in SCORERS])


@pytest.fixture(scope="module")
def runs() -> list[ShownRun]:
    return [played("noisy:0.4", "run_a"), played("noisy:0.8", "run_b")]


@pytest.fixture(scope="module")
def pairs(runs) -> list[Pair]:
    return pair_episodes(runs[0].episodes, runs[1].episodes)


@pytest.fixture(scope="module")
def address(runs, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("comparing") / "view.html"
    write_page(path, title="two", runs=runs)
    return path.as_uri()


def found(page) -> str:
    return page.inner_text("#compare nav .found")


def step_shown(page) -> list[str]:
    return page.eval_on_selector_all("#compare .both .step.current", "all => all.map((node) => node.dataset.step)")


def test_the_totals_are_those_of_compare_to_the_digit(visit, address, pairs) -> None:
    page = visit(address)
    page.click("#comparing")
    page.wait_for_selector("#compare .totals td")
    assert not page.is_visible("#looking")
    table = difference_table("noisy:0.4 (run_a) minus noisy:0.8 (run_b)", pairs)
    assert page.inner_text("#compare .totals h2") == table.title
    rows = page.locator("#compare .totals tbody tr").all()
    assert [row.locator("td").all_inner_texts() for row in rows] == [[cell_text(v) for v in row] for row in table.rows]
    press(page, "x")
    assert page.is_visible("#looking")
    assert page.locator("#looking .step").count() > 0


def test_filters_list_the_pairs_of_which_became_what_they_say(visit, address, pairs) -> None:
    page = visit(address)
    press(page, "x")
    assert found(page) == "48 pairs"
    kinds = [(True, False), (False, True), (True, True), (False, False)]
    for ended in kinds:
        press(page, "f")
        count = sum(each.success == ended for each in pairs)
        assert page.inner_text(PRESSED).endswith(f" {count}")
        assert found(page) == (f"{count} of 48 pairs" if count else "No pair is like that.")
        assert page.locator(PRESSED).get_attribute("aria-label").endswith(f": {count}")
    press(page, "f")
    page.fill("[aria-label='least step at which they part']", "1")
    page.fill("[aria-label='largest step at which they part']", "2")
    count = sum(each.parting is not None and 1 <= each.parting.step <= 2 for each in pairs)
    assert 0 < count < 48
    assert found(page) == f"{count} of 48 pairs"


def test_a_pair_is_aligned_where_it_parts_with_the_credits_of_that_step(visit, address, runs, pairs) -> None:
    page = visit(address)
    n = next(
        i for i, each in enumerate(pairs) if each.parting and each.parting.step > 0 and each.success == (True, False)
    )
    page.evaluate(f"location.hash = '#compare/run_a/run_b/{runs[0].episodes[n].episode_id}'")
    page.wait_for_selector("#compare .both .step.current")
    step, _, actions = pairs[n].parting
    assert page.inner_text("#compare .parting").startswith(f"They part at step {step}: ")
    assert page.locator("#compare .both > li:nth-child(-n+2) .action").all_inner_texts() == list(actions)
    assert step_shown(page) == [str(step)] * 2
    for scorer in SCORERS:
        starts = [run.steps[:n].sum() for run in runs]
        credits = [f"{run.credits[scorer][start + step]:+.3f}" for run, start in zip(runs, starts, strict=True)]
        shown = page.locator("#compare .both .step.current .credit span:last-child").all_inner_texts()
        assert [text.replace("\u2212", "-") for text in shown] == [c.replace("+0.000", "0") for c in credits]
        press(page, "s")
    page.click("#compare .alike summary")
    page.wait_for_selector("#compare .alike .step")
    assert page.locator("#compare .alike .action").all_inner_texts() == list(runs[0].episodes[n].actions[:step])
    press(page, "p", "n", "n")
    assert f"/{step + 1}" in page.url


def test_a_link_to_a_pair_survives_a_reload_and_leads_back_to_its_episodes(visit, address, runs, pairs) -> None:
    n = next(i for i, each in enumerate(pairs) if each.parting)
    name = runs[0].episodes[n].episode_id
    page = visit(f"{address}#compare/run_a/run_b/{name}/0")
    page.wait_for_selector("#compare .both")
    press(page, "j", "k")
    link = page.url
    page.reload()
    page.wait_for_selector("#compare .both")
    assert page.url == link
    page.click("#compare .sides div:nth-child(2) button")
    page.wait_for_selector("#looking .step.current")
    assert f"#run_b/{name}" in page.url
    page.evaluate("location.hash = '#compare/run_a/run_c'")
    until(page, "document.getElementById('said').textContent === 'run_a and run_c are not compared here.'")
    page.evaluate(f"location.hash = '#compare/run_a/run_b/{name}'")
    page.wait_for_selector("#compare .both")
    page.evaluate(f"location.hash = '#run_a/{name}/0'")
    page.wait_for_selector("#looking .step.current")
    assert page.url.endswith(f"#run_a/{name}/0")


def test_on_a_phone_the_sides_are_stacked_and_nothing_is_cut(visit, address) -> None:
    page = visit(f"{address}#compare", width=390, height=844)
    page.wait_for_selector("#compare .both > li")
    press(page, "j", "j", "t", "t")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    boxes = page.evaluate("[...document.querySelectorAll('.both > li')].map((n) => n.getBoundingClientRect())")
    assert all(box["left"] >= 0 and box["right"] <= 390 for box in boxes)
    assert boxes[1]["top"] >= boxes[0]["bottom"]


def test_thousands_of_pairs_make_no_larger_document(visit, tmp_path: Path) -> None:
    def run(name: str, count: int) -> ShownRun:
        return given_run(name, name, [walk(f"{i}", task_id=f"t{i}", agent_id=name) for i in range(count)], {}, {})

    sizes = []
    for count in (100, 3000):
        path = tmp_path / f"{count}.html"
        write_page(path, title="t", runs=[run("a", count), run("b", count)])
        page = visit(f"{path.as_uri()}#compare")
        page.wait_for_selector("#compare .picker li")
        assert found(page) == f"{count} pairs"
        sizes.append(page.evaluate("document.querySelectorAll('body *:not(script)').length"))
    assert abs(sizes[0] - sizes[1]) < 50


def test_hostile_text_of_two_sides_runs_nothing(visit, tmp_path: Path) -> None:
    size = len(HOSTILE)
    episode = walk(
        steps=size, task_id=HOSTILE[0], goal=HOSTILE[1], agent_id=HOSTILE[1], group_id=HOSTILE[2], seed=3,
        observations=(*HOSTILE, "end"), actions=HOSTILE, roles=HOSTILE, rewards=(0.0,) * size, episode_id=HOSTILE[0],
    )  # fmt: skip
    other = replace(episode, agent_id=HOSTILE[0], actions=(HOSTILE[0], *HOSTILE[2:], HOSTILE[0]))
    path = tmp_path / "hostile.html"
    credits = {HOSTILE[1]: [[0.5] * size, [-0.5] * size]}
    write_page(path, title=HOSTILE[0], runs=[given_run(HOSTILE[0], HOSTILE[1], [episode, other], credits, {})])
    page = visit(f"{path.as_uri()}#compare")
    page.wait_for_selector("#compare .both .step.current")
    page.click("#compare .alike summary")
    press(page, "f", "f", "f", "n", "p", "o", "s", "y")
    kinds = page.evaluate("[...document.querySelectorAll('body *')].map((node) => node.localName)")
    assert not {"img", "a", "iframe", "object", "link", "style", "form"} & set(kinds)
    names = page.evaluate("[...document.querySelectorAll('*')].flatMap((n) => n.getAttributeNames())")
    assert not {name for name in names if name.startswith("on") or name in ("src", "href")}
    assert page.inner_text("#compare .both .action").split() == printable(HOSTILE[1]).split()
    page.reload()  # the link holds the hostile names
    page.wait_for_selector("#compare .both .step.current")


def test_pairs_appear_while_the_store_grows(visit, tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        for name in ("run_a", "run_b"):
            store.start_run(env_id="credit/Test-v0", agent_id="a", run_id=name)
            store.add_episodes(name, [walk("0", agent_id="a")])

        def count() -> int:
            return sum(len(store.episodes(name)) for name in ("run_a", "run_b"))

        live = LiveRuns(
            count, lambda: [scored_run(n, n, store.episodes(n), [("grpo", {})]) for n in ("run_a", "run_b")]
        )
        server, address = live_server("live", live)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = visit(f"{address}#compare")
        until(page, "document.querySelector('#compare nav .found').textContent === '1 pair'")
        lost = walk("1", agent_id="a", task_id="b", success=False, rewards=(0.0,) * 3)
        store.add_episode("run_a", lost)
        store.add_episode("run_b", replace(lost, success=True))
        until(page, "document.querySelector('#compare nav .found').textContent === '2 pairs'")
        press(page, "f", "f")
        assert found(page) == "1 of 2 pairs"
        assert page.url.endswith("#compare/run_a/run_b/1")
        page.close()
        server.shutdown()
        server.server_close()
