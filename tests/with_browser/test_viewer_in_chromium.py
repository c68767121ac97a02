"""The viewer in a real browser: what a person does with it, by mouse and by key, wide and on a phone."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import gymnasium as gym
import pytest
from builders.browsers import press, until
from builders.episodes import HOSTILE, played, walk

import credit_gym  # noqa: F401 - registers credit/*
from credit_gym.agents import parse_agent, run_episodes
from credit_gym.report.page import write_page
from credit_gym.report.text import printable
from credit_gym.report.viewer.live_view import LiveRuns, live_server
from credit_gym.report.viewer.script_modules import asset
from credit_gym.report.viewer.shown_run import ShownRun, given_run, scored_run
from credit_gym.store import Store
from credit_gym.wrappers import RecordVerifier

SCORERS = ("evidence_lambda", "gigpo", "grpo", "td_error", "crbc", "branch_aware")


def stochastic(count: int) -> ShownRun:
    def made() -> gym.Env[str, str]:
        return RecordVerifier(gym.make("credit/Stochastic-v0"))

    found = run_episodes(made, parse_agent("noisy:0.4", seed=1), episodes=count, group_size=8, seed=1)
    return scored_run("run_a", "a", found, [(scorer, {}) for scorer in SCORERS])


@pytest.fixture(scope="module")
def run() -> ShownRun:
    return stochastic(64)


@pytest.fixture(scope="module")
def address(run, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("viewer") / "view.html"
    write_page(path, title="64 episodes", runs=[run])
    return path.as_uri()


def shown(page) -> str:
    return page.inner_text("#picker [aria-current=true] .name span")


def count(page, selector: str) -> int:
    return page.locator(selector).count()


def sum_of(page) -> str:
    return page.inner_text("#found")


def test_every_step_of_an_episode_is_there_with_every_credit(visit, address, run) -> None:
    page = visit(address)
    first = run.episodes[0]
    assert page.inner_text("#summary").startswith("64 episodes · ")
    assert page.locator(".step .action").all_inner_texts() == list(first.actions)
    assert count(page, ".step .credit") == len(SCORERS) * len(first)
    assert count(page, ".scorer[aria-pressed=true]") == 1


def test_filters_and_search_narrow_the_list_and_say_when_nothing_is_found(visit, address, run) -> None:
    page = visit(address)
    page.click("#filters >> text=unsolved")
    unsolved = sum(not episode.success for episode in run.episodes)
    assert sum_of(page) == f"{unsolved} of 64 episodes"
    page.click("#filters >> text=all")
    action = run.episodes[9].actions[0]
    press(page, "/")
    page.keyboard.type(action.upper())
    expected = sum(any(action in text for text in (*e.actions, *e.observations)) for e in run.episodes)
    until(page, f"document.getElementById('found').textContent === '{expected} of 64 episodes'")
    assert count(page, ".step.hit") > 0
    page.fill("#search", "no such thing")
    until(page, "document.getElementById('found').textContent.startsWith('Nothing of 64 episodes says')")
    assert count(page, "#picker li") == 0
    press(page, "Escape")
    until(page, "document.getElementById('found').textContent === ''")


def test_keys_go_everywhere(visit, address, run) -> None:
    page = visit(address)
    press(page, "j", "j", "k")
    assert shown(page) == run.episodes[1].episode_id
    press(page, "n")
    assert page.get_attribute(".step.current", "data-step") == "0"
    press(page, "s")
    assert page.inner_text(".scorer[aria-pressed=true]").replace("\u200b", "") == "gigpo"
    press(page, "w")
    page.wait_for_selector(".step.current .why .equations")
    press(page, "m")
    page.wait_for_selector(".step.current .written .body > *")
    press(page, "?")
    assert page.is_visible("#help")
    assert count(page, "#help dt") == len(re.findall(r'^  \["', asset("shortcuts.mjs"), re.MULTILINE))
    press(page, "Escape")
    assert not page.is_visible("#help")
    press(page, "f")
    assert page.inner_text("#filters [aria-pressed=true]") == "solved"
    press(page, "g")
    page.wait_for_selector(".bar")
    press(page, "l")
    assert count(page, ".step.current") == 1


def test_a_link_to_a_step_survives_a_reload_and_an_open_page_follows_it(visit, address, run) -> None:
    page = visit(f"{address}#run_a/{run.episodes[3].episode_id}/0")
    assert (shown(page), page.get_attribute(".step.current", "data-step")) == (run.episodes[3].episode_id, "0")
    press(page, "j", "n")
    link = page.url
    page.reload()
    page.wait_for_selector(".step.current")
    assert (shown(page), page.url) == (run.episodes[4].episode_id, link)
    page.evaluate(f"location.hash = '#run_a/{run.episodes[60].episode_id}'")
    until(
        page,
        f"document.querySelector('[aria-current=true] .name span')?.textContent === '{run.episodes[60].episode_id}'",
    )
    page.evaluate("location.hash = '#run_b/9'")
    until(page, "document.getElementById('said').textContent.startsWith('There is no episode 9')")


def test_light_or_dark_is_remembered(visit, address, browser) -> None:
    context = browser.new_context()
    page = visit(address, context=context)
    dark = page.evaluate("document.documentElement.classList.contains('dark')")
    press(page, "t")
    again = visit(address, context=context)
    assert again.evaluate("document.documentElement.classList.contains('dark')") is not dark


def test_a_phone_shows_every_credit_without_scrolling_sideways(visit, address) -> None:
    page = visit(address, width=390, height=844)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    boxes = page.evaluate(
        "[...document.querySelectorAll('.step:first-child .credit')].map((n) => n.getBoundingClientRect())"
    )
    assert len(boxes) == len(SCORERS)
    assert all(box["left"] >= 0 and box["right"] <= 390 for box in boxes)
    assert page.locator(".step:first-child .who").first.is_visible()


def overflowing(page) -> list[str]:
    """What reaches beyond the right edge of the window, though it lies in nothing that scrolls or cuts by itself."""
    return page.evaluate("""[...document.querySelectorAll("main *")].filter((node) => {
        if (node.getBoundingClientRect().right <= innerWidth + 1) return false;
        for (let each = node.parentElement; each.localName !== "main"; each = each.parentElement) {
            if (getComputedStyle(each).overflowX !== "visible" && !each.classList.contains("steps")) return false;
        }
        return true;
    }).map((node) => `${node.localName}.${node.className}`)""")


@pytest.mark.parametrize("width", [390, 900, 1280])
def test_long_words_in_every_field_and_any_number_of_scorers_fit_the_page(visit, tmp_path: Path, width: int) -> None:
    long, other = "x" * 300, "y" * 300
    each = tuple((text,) for text in (long, other))
    chat = ({"role": long, "content": long, "tool_calls": [{"function": {"name": long}}]},)
    episodes = [
        walk(
            f"{long}{i}", steps=2, task_id=long, group_id=long, agent_id=f"{long}{i}", goal=long,
            actions=(long, str(i)), roles=(long, other), messages=(chat, chat), token_ids=((1,), (2,)),
            thoughts=(long, long),
            replies=(other, other), finish_reasons=(long, long), decodings=(long, long), admissible_actions=each,
            expert_actions=each,
        )
        for i in range(2)
    ]  # fmt: skip
    credits = {f"{name}{i}": [[0.5, -0.25]] * 2 for i in range(6) for name in (long, "scorer")}
    path = tmp_path / "long.html"
    write_page(path, title=long, runs=[given_run(long, long, episodes, credits, {})], token_texts=lambda t: [long])
    page = visit(path.as_uri(), width=width)
    press(page, "n", "w", "m", "g", "b", "r")
    page.wait_for_selector(".step.current .written .chat")
    assert overflowing(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator(".step .turn").first.bounding_box()["width"] > 200
    assert page.locator(".step.current .credit:visible").count() == len(credits)
    press(page, "x")
    page.wait_for_selector("#compare .both .step")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert overflowing(page) == []


def test_an_episode_without_steps_has_none_to_go_to_or_to_label(visit, tmp_path: Path) -> None:
    path = tmp_path / "empty.html"
    write_page(path, title="t", runs=[given_run("run_a", "a", [walk("0", steps=0), walk("1")], {}, {})])
    page = visit(f"{path.as_uri()}#run_a/0/0")
    press(page, "n", "+", "e")
    assert page.inner_text("#said") == "Go to a step first: n is the next one."
    press(page, "j")
    assert count(page, ".mark[aria-pressed=true]") == 0


def test_escape_takes_back_what_is_being_typed_too(visit, address) -> None:
    page = visit(address)
    press(page, "/")
    page.keyboard.type("no such thing")
    page.keyboard.press("Escape")
    page.wait_for_timeout(400)
    assert (page.input_value("#search"), sum_of(page)) == ("", "")
    assert count(page, ".step .action") > 0


def test_messages_of_any_shape_are_shown_without_a_scorer_too(visit, tmp_path: Path) -> None:
    shapes = ({"tool_calls": "go"}, {"tool_calls": {"a": 1}}, {"tool_calls": [None]}, {"content": 7, "role": None}, {})
    chats = tuple(({"role": "user", "content": str(t)}, shape) for t, shape in enumerate(shapes))
    path = tmp_path / "shapes.html"
    write_page(path, title="t", runs=[given_run("run_a", "a", [walk(steps=len(shapes), messages=chats)], {}, {})])
    page = visit(path.as_uri())
    for t in range(len(shapes)):
        press(page, "n", "m")
        page.wait_for_selector(f".step[data-step='{t}'] .written .chat li", state="attached", timeout=5000)


def test_why_a_number_is_what_it_is(visit, address, run) -> None:
    page = visit(address)
    episode = run.episodes[0]
    company = run.company["state"]
    for t in range(len(episode)):
        press(page, "n", "w")
        panel = page.locator(f".step[data-step='{t}'] .why .body")
        panel.locator(".equations").wait_for()
        text = panel.inner_text()
        visits = int((company.node == company.node[t]).sum())
        assert f"{visits} visits to this state (key: state)" in text
        assert re.search(rf"pooled value before the step\s+{_number(company.value[t])}\n", text)
        assert f"c = {_number(run.credits['evidence_lambda'][t])}" in text.replace("\u2212", "-")
        for name, (_, values) in run.reasons["evidence_lambda"].terms.items():
            assert re.search(rf"\n{name}\s+{re.escape(_number(values[t]))}\t", text.replace("\u2212", "-")), name
        counted = [int(row.split("\t")[1]) for row in text.split("\n") if re.match(r".+\t\d+\t\d+\t\d+\t", row)]
        assert sum(counted) == visits


def _number(value: float) -> str:
    rounded = float(f"{value:.6g}")
    return str(int(rounded)) if rounded == int(rounded) else f"{rounded:.6g}"


def test_disagreement_is_found_and_ordered(visit, address) -> None:
    page = visit(address)
    page.select_option("[aria-label='the other judge']", label="branch_aware")
    press(page, "d")
    said = page.inner_text("#said")
    assert re.match(r"disagreement [12]\.\d\d, number 1 of \d+", said)
    values = page.locator(".step.current .credit span:last-child").all_inner_texts()
    assert values[0][0] != values[-1][0]  # the signs
    press(page, "d", "D")
    assert page.inner_text("#said") == said
    first = shown(page)
    page.select_option("[aria-label='order']", label="disagreement")
    assert page.inner_text("#picker li:first-child .name span") == first


def test_a_bar_of_the_histogram_shows_the_episodes_with_such_a_step(visit, address) -> None:
    page = visit(address)
    press(page, "g")
    page.locator(".bar").last.click()
    until(page, "/^\\d+ of 64 episodes$/.test(document.getElementById('found').textContent)")
    page.click(".range button")
    assert sum_of(page) == ""


def test_the_document_does_not_grow_with_the_episodes(visit, address, tmp_path) -> None:
    path = tmp_path / "large.html"
    write_page(path, title="large", runs=[stochastic(1000)])
    sizes = [
        visit(each).evaluate("document.querySelectorAll('body *:not(script)').length")
        for each in (address, path.as_uri())
    ]
    assert abs(sizes[0] - sizes[1]) < 100


def hostile_run() -> ShownRun:
    each = tuple((text,) for text in HOSTILE)
    chat = tuple(({"role": text, "content": text},) for text in HOSTILE)
    episode = walk(
        steps=len(HOSTILE), task_id=HOSTILE[0], goal="".join(HOSTILE), agent_id=HOSTILE[1], group_id=HOSTILE[2],
        observations=(*HOSTILE, "end"), actions=HOSTILE, roles=HOSTILE, admissible_actions=each, expert_actions=each,
        thoughts=HOSTILE, replies=tuple(f"{text} " for text in HOSTILE), finish_reasons=HOSTILE, decodings=HOSTILE,
        tool_calls=tuple(({"id": text, "name": text, "arguments": {text: text}},) for text in HOSTILE), messages=chat,
        token_ids=((1,),) * len(HOSTILE), policy_logprobs=((-0.5,),) * len(HOSTILE), rewards=(0.0,) * len(HOSTILE),
    )  # fmt: skip
    other = walk("9", steps=2, group_id=HOSTILE[2])
    credits = {text: [[0.5] * len(HOSTILE), [-0.5] * 2] for text in HOSTILE[:2]}
    asked = {text: ("grpo", {}) for text in credits}
    return given_run(HOSTILE[0], HOSTILE[1], [episode, other], credits, asked)


def test_hostile_text_runs_nothing_and_is_shown_as_text(visit, tmp_path: Path) -> None:
    path = tmp_path / "hostile.html"
    write_page(path, title=HOSTILE[0], runs=[hostile_run()], token_texts=lambda tokens: [HOSTILE[1]] * len(tokens))
    page = visit(path.as_uri())
    for t in range(len(HOSTILE)):
        press(page, "n", "w", "m")
        page.wait_for_selector(f".step[data-step='{t}'] .written .chat")
    press(page, "c", "d", "g", "?")
    kinds = page.evaluate("[...document.querySelectorAll('body *')].map((node) => node.localName)")
    assert not {"img", "a", "iframe", "object", "link", "style", "form"} & set(kinds)
    assert kinds.count("script") == 6  # an overview, three leaves, a comparison of the two agents, and the script
    names = page.evaluate("[...document.querySelectorAll('*')].flatMap((n) => n.getAttributeNames())")
    assert not {name for name in names if name.startswith("on") or name in ("src", "href")}
    assert page.evaluate("document.querySelectorAll('.step .action')[1].textContent") == printable(HOSTILE[1])


def test_what_a_model_was_asked_and_its_tokens_are_there(visit, tmp_path: Path) -> None:
    episode = played(replies=("I go. go 0", "go 1"), thoughts=("east is good", ""), decodings=("free", "free"))
    path = tmp_path / "model.html"
    write_page(path, title="t", runs=[scored_run("run_a", "a", [episode], [("grpo", {})])])
    page = visit(path.as_uri())
    press(page, "n", "n", "m")
    written = page.locator(".step.current .written")
    written.locator(".token").first.wait_for()
    assert written.locator(".chat li").count() == 1
    written.get_by_text("2 earlier").click()
    written.locator(".chat li").nth(2).wait_for()
    assert written.locator(".token").all_inner_texts() == ["7"]
    assert written.locator(".token").first.get_attribute("title") == "token 7: log-probability (nats) \u22121"
    press(page, "p", "m")
    page.locator(".step.current .written .token").first.wait_for()
    assert "east is good" in page.locator(".step.current .written").inner_text()
    assert "I go. go 0" in page.locator(".step.current .written").inner_text()


def test_new_episodes_appear_while_the_store_grows(visit, tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.start_run(env_id="credit/Test-v0", agent_id="a", run_id="run_a")
        store.add_episodes("run_a", [walk("0"), walk("1")])
        live = LiveRuns(
            lambda: len(store.episodes("run_a")),
            lambda: [scored_run("run_a", "a", store.episodes("run_a"), [("grpo", {})])],
        )
        server, address = live_server("live", live)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = visit(address)
        press(page, "j", "n", "w")
        page.wait_for_selector(".step.current .why .equations")
        store.add_episode("run_a", walk("2", success=False, rewards=(0.0,) * 3))
        until(page, "document.getElementById('summary').textContent.startsWith('3 episodes')")
        until(page, "document.querySelector('.step.current .credit span:last-child').textContent === '+0.707'")
        assert shown(page) == "1"
        page.close()
        server.shutdown()
        server.server_close()
