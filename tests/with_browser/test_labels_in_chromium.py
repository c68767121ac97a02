"""Labels in a real browser: given by key and by button, kept, taken back, exported, read again, and compared."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from builders.browsers import until
from builders.episodes import HOSTILE, walk

from credit_gym.formats.agent_process_bench import read_process_bench
from credit_gym.metrics.step_labels import credit_labels, label_accuracy
from credit_gym.report.page import write_page
from credit_gym.report.viewer.shown_run import ShownRun, scored_run

SCORERS = ("gigpo", "td_error")
SAID = {(0, 0): 1, (0, 2): -1, (3, 1): 0, (3, 2): -1, (5, 0): -1}  # (episode, step) -> label
SIGNS = {1: "+", 0: "0", -1: "-"}


def run(count: int = 12, steps: int = 3) -> ShownRun:
    """Episodes of two groups, every third of which fails."""
    played = [
        walk(str(i), steps=steps, group_id=f"g{i % 2}", task_id=f"t{i % 2}", goal="find <the> key", success=i % 3 > 0,
             rewards=(0.0,) * (steps - 1) + (float(i % 3 > 0),))
        for i in range(count)
    ]  # fmt: skip
    return scored_run("run_a", "a", played, [(scorer, {}) for scorer in SCORERS])


@pytest.fixture
def address(tmp_path: Path) -> str:
    write_page(tmp_path / "view.html", title="labels", runs=[run()])
    return (tmp_path / "view.html").as_uri()


def press(page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
        page.evaluate("new Promise((done) => setTimeout(done, 30))")


def goto(page, e: int, t: int) -> None:
    page.evaluate(f"location.hash = '#run_a/{e}/{t}'")
    page.wait_for_selector(f"#picker [aria-current=true][data-row='{e}']", state="attached")
    page.wait_for_selector(f".step.current[data-step='{t}']")


def label(page, said=SAID) -> None:
    for (e, t), value in said.items():
        goto(page, e, t)
        press(page, SIGNS[value])


def marked(page) -> list[str]:
    """What is said of each step that is shown."""
    steps = page.evaluate(
        "[...document.querySelectorAll('.step')].map((s) => "
        "s.querySelector('.mark[aria-pressed=true]')?.classList[1] ?? '')"
    )
    return list(steps)


def exported(page, folder: Path) -> Path:
    with page.expect_download() as found:
        press(page, "E")
    path = folder / "file" / found.value.suggested_filename
    found.value.save_as(path)
    return path


def agreement_shown(page) -> dict[str, list[str]]:
    rows = page.locator("#labels tbody tr").all_inner_texts()
    cells = [row.replace("\u200b", "").split("\t") for row in rows]
    return {name: values for name, *values in cells}


def test_a_label_is_given_by_key_or_button_kept_over_a_reload_and_taken_back(visit, address) -> None:
    page = visit(address)
    press(page, "+")
    assert page.inner_text("#said").startswith("Go to a step first")
    press(page, "n", "+", "n", "-")
    assert marked(page) == ["good", "bad", ""]
    page.click(".step[data-step='2'] .mark.neutral")
    page.reload()
    page.wait_for_selector(".step")
    assert marked(page) == ["good", "bad", "neutral"]
    press(page, "n", "0")
    assert marked(page) == ["good", "bad", ""]  # said again it is said no longer
    press(page, "u")
    assert marked(page) == ["good", "bad", "neutral"]
    press(page, "b")
    assert page.inner_text("#labels p") == "Labels given here: 1 good, 1 neutral, 1 bad."


def test_a_note_is_written_and_keys_are_letters_in_it(visit, address) -> None:
    page = visit(address)
    press(page, "n", "-", "e")
    page.keyboard.type("just + a - note")
    press(page, "Enter", "Escape")
    page.reload()
    page.wait_for_selector(".step")
    assert page.input_value(".step[data-step='0'] .note") == "just + a - note"
    assert marked(page) == ["bad", "", ""]


@pytest.mark.parametrize("scorer", [*SCORERS, "every step good", "every step as the whole episode"])
def test_agreement_is_what_the_metrics_say(visit, address, scorer) -> None:
    page = visit(address)
    label(page)
    press(page, "b")
    shown = run()
    episodes = sorted({e for e, _ in SAID})
    offsets = np.arange(len(episodes) + 1) * 3
    places = np.concatenate([np.arange(3 * e, 3 * e + 3) for e in episodes])
    labels = np.array([SAID.get((e, t), 0) for e in episodes for t in range(3)])
    labelled = np.array([(e, t) in SAID for e in episodes for t in range(3)])
    solved = np.repeat([1.0 if shown.episodes[e].success else -1.0 for e in episodes], 3)
    simple = {"every step good": np.ones(labels.size), "every step as the whole episode": solved}
    credit = simple[scorer] if scorer in simple else shown.credits[scorer][places]
    found = label_accuracy(credit_labels(credit), labels, labelled, offsets, np.arange(len(episodes)))
    assert agreement_shown(page)[scorer] == [f"{100 * each.value:.1f} %" for each in (found.step, found.first_error)]


def test_an_export_is_read_by_the_form_s_own_reader_and_by_another_page(visit, address, browser, tmp_path) -> None:
    page = visit(address)
    label(page)
    goto(page, 3, 2)
    press(page, "e")
    page.keyboard.type(HOSTILE[0] + HOSTILE[1])
    press(page, "Enter", "Escape")
    path = exported(page, tmp_path)
    assert not set("<>&") & set(path.read_text("ascii"))
    (subset,) = read_process_bench(path.parent)
    assert subset.damaged == []
    shown = run()
    found = {each.episode.episode_id: each for each in subset.trajectories}
    assert {int(id.partition("/")[2]) for id in found} == {0, 3, 5}
    for id, each in found.items():
        e = int(id.partition("/")[2])
        assert each.labels == tuple(SAID.get((e, t)) for t in range(3))
        assert each.episode.actions == shown.episodes[e].actions
        assert each.episode.observations[0] == shown.episodes[e].observations[0]
        assert each.episode.success == shown.episodes[e].success
        assert each.episode.goal == "find <the> key"
    other = visit(address, context=browser.new_context())
    press(other, "b")
    with other.expect_file_chooser() as chooser:
        other.click("#labels button:has-text('import')")
    chooser.value.set_files(path)
    until(other, "document.getElementById('said').textContent === '5 labels taken'")
    goto(other, 3, 2)
    assert marked(other) == ["", "neutral", "bad"]
    assert other.input_value(".step.current .note") == HOSTILE[0] + HOSTILE[1]
    press(other, "u")
    assert other.inner_text("#said") == "taken back: 5 labels"


def test_lines_of_other_episodes_and_damaged_ones_are_counted(visit, address, tmp_path) -> None:
    messages = [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}] * 3
    rows = [
        {"run_id": "run_a", "episode_id": "1", "messages": messages, "step_labels": {"1": 1}, "notes": {"5": "x"}},
        {"total_index": 2, "messages": messages, "step_labels": [None, True, None, "-1", None, None]},
        {"total_index": 3, "messages": messages[:2], "step_labels": {"1": 1}},
        {"run_id": "run_b", "episode_id": "1", "messages": messages, "step_labels": {"1": 1}},
        {"total_index": 4, "messages": messages, "step_labels": {"0": 1}},
        {"total_index": 4, "messages": messages, "step_labels": {"1": 2}},
        None,
    ]
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n{\n", encoding="utf-8")
    page = visit(address)
    press(page, "b")
    page.set_input_files("#labels input", tmp_path / "labels.jsonl")
    says = "4 labels taken; 2 lines are of no episode here; 4 lines cannot be read"
    until(page, f"document.getElementById('said').textContent === '{says}'")
    goto(page, 2, 0)
    assert marked(page) == ["good", "bad", ""]


def test_disagreement_is_found_with_labels_too(visit, address) -> None:
    page = visit(address)
    label(page, {(4, 0): -1, (7, 1): 1})
    page.select_option("[aria-label='the other judge']", label="your labels")
    press(page, "d")
    assert page.get_attribute("#picker [aria-current=true]", "data-row") == "4"
    press(page, "u", "u")
    assert "your labels" not in page.locator("[aria-label='the other judge'] option").all_inner_texts()


def test_two_pages_of_the_same_episodes_hear_of_each_other(visit, address, browser) -> None:
    context = browser.new_context()
    one, other = visit(address, context=context), visit(address, context=context)
    press(one, "n", "-")
    until(other, "document.querySelector('.mark.bad[aria-pressed=true]') !== null")


def test_thousands_of_labels_cost_a_key_nothing(visit, tmp_path: Path) -> None:
    write_page(tmp_path / "many.html", title="many", runs=[run(2000, steps=4)])
    page = visit((tmp_path / "many.html").as_uri())
    messages = [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}] * 4
    rows = [
        {"total_index": i, "messages": messages, "step_labels": {"1": 1, "3": -1, "5": 0}, "notes": {"1": "why"}}
        for i in range(2000)
    ]
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    press(page, "b")
    page.set_input_files("#labels input", tmp_path / "labels.jsonl")
    until(page, "document.getElementById('said').textContent.startsWith('6000 labels taken')")
    clock = page.context.new_cdp_session(page)
    clock.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy() -> float:
        found = clock.send("Performance.getMetrics")["metrics"]
        return float(next(metric["value"] for metric in found if metric["name"] == "TaskDuration"))

    press(page, "n")
    begun = busy()
    for _ in range(10):
        press(page, "-")
    assert (busy() - begun) / 10 < 0.05  # seconds of the page's own thread
    page.reload()
    page.wait_for_selector(".step")
    assert page.inner_text("#labels summary") == "labels · 6000"


def test_hostile_notes_run_nothing(visit, address, tmp_path) -> None:
    page = visit(address)
    messages = [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}] * 3
    rows = [
        {"total_index": i, "messages": messages, "step_labels": {"1": 1}, "notes": {"1": text}, "__proto__": {"x": 1}}
        for i, text in enumerate(HOSTILE)
    ]
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    press(page, "b")
    page.set_input_files("#labels input", tmp_path / "labels.jsonl")
    until(page, f"document.getElementById('said').textContent === '{len(HOSTILE)} labels taken'")
    for e, text in enumerate(HOSTILE):
        goto(page, e, 0)
        assert page.input_value(".step.current .note") == text.replace("\n", "")[:2000]  # a field has one line
    (subset,) = read_process_bench(exported(page, tmp_path).parent)
    assert (len(subset.trajectories), subset.damaged) == (len(HOSTILE), [])
    kinds = page.evaluate("[...document.querySelectorAll('body *')].map((node) => node.localName)")
    assert not {"img", "a", "iframe", "object", "link", "style", "form"} & set(kinds)


@pytest.mark.parametrize("width", [1280, 390])
def test_labels_fit_the_page_in_the_dark_too(visit, address, width) -> None:
    page = visit(address, width=width)
    press(page, "t", "n", "+", "e", "b")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    box = page.locator(".step.current .labels").bounding_box()
    assert 0 <= box["x"] <= width - box["width"]
