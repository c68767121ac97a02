"""Curves along an episode and the tree of its group in a real browser: by mouse and key, linked, and safe."""

from __future__ import annotations

import math
import re
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from builders.browsers import press, until
from builders.episodes import HOSTILE, walk

import credit_gym  # noqa: F401 - registers credit/*
from credit_gym.agents import parse_agent
from credit_gym.agents.replay.allocation import PerDecision
from credit_gym.agents.replay.points import Tree
from credit_gym.agents.replay.tree import grow_trees
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.estimation.siblings import siblings
from credit_gym.report.page import write_page
from credit_gym.report.text import printable
from credit_gym.report.viewer.shown_run import ShownRun, given_run, scored_run
from credit_gym.wrappers import RecordVerifier

TOP = ".tree [role=tree] > [role=treeitem]"


@pytest.fixture(scope="module")
def trees() -> list[Tree]:
    def made() -> gym.Env[str, str]:
        return RecordVerifier(gym.make("credit/Stochastic-v0"))

    return grow_trees(made, parse_agent("noisy:0.6", seed=1), PerDecision(draws=3, replays=2), questions=3, seed=3)


@pytest.fixture(scope="module")
def grown(trees) -> ShownRun:
    return scored_run("run_t", "t", [e for tree in trees for e in tree.episodes()], [("vine", {}), ("c3", {})])


def written(path: Path, run: ShownRun) -> str:
    write_page(path, title="t", runs=[run])
    return path.as_uri()


def told() -> Episode:
    return walk(
        "0", steps=4, log_belief=(math.log(0.25), math.log(0.5), math.nan, math.log(0.5), 0.0),
        verifier=(0.5, math.nan, -0.25, 1.0), values=(0.1, 0.2, 0.3, 0.4, 0.5),
    )  # fmt: skip


def parted(*actions: str, number: int, **changes: object) -> Episode:
    """An episode whose states say what was done before."""
    states = tuple("/".join(actions[:t]) for t in range(len(actions) + 1))
    return walk(f"{number}", steps=len(actions), actions=actions, state_keys=states, observations=states, **changes)


def test_curves_have_gaps_where_nothing_was_recorded_and_are_told_to_readers(visit, tmp_path) -> None:
    page = visit(written(tmp_path / "c.html", given_run("r", "r", [told()], {"mine": [(1.0, 1.0, -4.0, 0.0)]}, {})))
    said = page.eval_on_selector_all(".curves svg", "all => all.map((node) => node.getAttribute('aria-label'))")
    assert said == [
        "belief: from 0.25 to 1, least 0.25 after 0 steps, most 1 after 4, not known at 1 of 5 points",
        "value: from 0.1 to 0.5, least 0.1 after 0 steps, most 0.5 after 4",
        "verifier, summed: from 0 to 1.25, least 0 after 0 steps, most 1.25 after 4, not known at 1 of 5 points",
        "mine, summed: from 0 to \u22122, least \u22122 after 3 steps, most 2 after 2",
    ]
    broken = page.locator(".curves .curve").first.get_attribute("d")
    assert (broken.count("M"), broken.count("L")) == (2, 2)
    assert page.locator(".curves .zero").count() == 1


def test_a_click_and_the_slider_go_to_a_step_and_the_slider_keeps_the_focus(visit, tmp_path) -> None:
    page = visit(written(tmp_path / "c.html", given_run("r", "r", [told()], {}, {})))
    box = page.locator(".curves svg").first.bounding_box()
    page.mouse.click(box["x"] + 0.6 * box["width"], box["y"] + 5)
    until(page, "document.querySelector('.step.current')?.dataset.step === '2'")
    assert page.inner_text(".curves .row:first-child .now") == "– → 0.5"
    assert page.locator(".curves .mark").first.get_attribute("x") == "2"
    page.focus(".curves input")
    press(page, "ArrowRight", "n")
    assert page.evaluate("document.activeElement.getAttribute('aria-valuetext')").startswith("step 3, belief 0.5 → 1, ")
    assert page.url.endswith("#r/0/3")
    press(page, "ArrowLeft")
    assert page.url.endswith("#r/0/2")
    press(page, "v")
    assert not page.is_visible(".curves")
    page.reload()
    assert not page.is_visible(".curves")


def test_no_curve_is_drawn_where_nothing_was_recorded(visit, tmp_path) -> None:
    page = visit(written(tmp_path / "c.html", given_run("r", "r", [walk()], {}, {})))
    assert page.locator(".along").count() == 0


def test_a_grown_tree_has_its_plays_as_branches_with_their_credits_and_returns(visit, tmp_path, grown, trees) -> None:
    page = visit(written(tmp_path / "t.html", grown))
    batch = EpisodeBatch.from_episodes(grown.episodes)
    found = siblings(batch)
    for tree in trees:
        page.evaluate(f"location.hash = '#run_t/{tree.tree_id}-0//tree'")
        until(page, f"document.querySelector('.facts')?.textContent.includes('{tree.tree_id}-0')")
        page.wait_for_selector(TOP)
        group = [i for i, each in enumerate(grown.episodes) if each.group_id == tree.tree_id]
        firsts = batch.offsets[group]
        assert page.locator(TOP).count() == len({int(play) for play in found.play[firsts]})
        texts = page.locator(f"{TOP} > .branch").all_inner_texts()
        expected = []
        for play in dict.fromkeys(found.play[firsts].tolist()):
            rows = firsts[found.play[firsts] == play]
            owners = [grown.episodes[i] for i in batch.episode[rows]]
            credit = float(np.mean(grown.credits["vine"][rows]))
            expected.append((len(owners), sum(e.success for e in owners), owners[0].actions[0], f"{credit:+.3f}"))
        told = []
        for text in texts:
            line = " ".join(text.split())
            episodes, solved = re.search(r"(\d+) episodes?, (\d+) solved", line).groups()
            action = line.removeprefix("0 ")
            value = line.rsplit(" ", 1)[1].replace("\u2212", "-")
            told.append((int(episodes), int(solved), action, "+0.000" if value == "0" else value))
        assert sorted(row[:2] for row in told) == sorted(row[:2] for row in expected)
        assert sorted(row[3] for row in told) == sorted(row[3] for row in expected)
        assert all(any(row[2].startswith(each[2]) for each in expected) for row in told)


def test_the_tree_of_any_group_parts_where_its_episodes_do_and_keys_walk_it(visit, tmp_path) -> None:
    lost = {"success": False, "rewards": (0.0,) * 3}
    plays = [
        parted("up", "left", "in", number=0),
        parted("up", "left", "out", number=1, **lost),
        parted("up", "right", "in", number=2),
        parted("down", "left", "in", number=3, **lost),
    ]
    page = visit(written(tmp_path / "t.html", scored_run("r", "r", plays, [("grpo", {})])))
    press(page, "j", "n", "r")
    page.wait_for_selector(TOP)
    assert page.url.endswith("#r/1/0/tree")
    lines = [" ".join(text.split()) for text in page.locator(".tree .branch").all_inner_texts()]
    assert [re.sub(r" (0|[+\u2212][\d.]+)$", "", line) for line in lines] == [
        "0 up 3 episodes, 2 solved, mean return 0.6667",
        "1 left 2 episodes, 1 solved, mean return 0.5",
        "2 in ✓ solved 1 episode, 1 solved, mean return 1",
        "2 out ✗ failed 1 episode, 0 solved, mean return 0",
        "1 right and 1 step on ✓ solved 1 episode, 1 solved, mean return 1",
        "0 down and 2 steps on ✗ failed 1 episode, 0 solved, mean return 0",
    ]
    said = page.locator(TOP).first.get_attribute("aria-label")
    assert re.fullmatch(r"0, up, 3 episodes, 2 solved, mean return 0.6667, [+\u2212][\d.]+", said)
    page.reload()
    page.wait_for_selector(".tree [aria-current=step]")
    page.focus(".tree [tabindex='0']")

    def held() -> str:
        return page.evaluate("document.activeElement.querySelector('.did')?.textContent")

    def level() -> str:
        return page.evaluate("document.activeElement.getAttribute('aria-level')")

    assert held() == "up"
    press(page, "ArrowRight", "ArrowRight")
    assert (held(), level()) == ("in", "3")
    press(page, "ArrowDown")
    assert held() == "out"
    press(page, "ArrowLeft", "ArrowLeft")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "false"
    press(page, "ArrowDown")
    assert held() == "right"
    press(page, "Enter")
    until(page, "location.hash === '#r/2/1/tree'")
    assert held() == "right"
    press(page, "End", "Enter")
    until(page, "location.hash === '#r/3/0/tree'")
    press(page, "r")
    assert page.url.endswith("#r/3/0")


def test_a_group_of_one_has_no_branches_and_many_are_listed_a_few_at_a_time(visit, tmp_path) -> None:
    plays = [parted(f"go {i}", number=i) for i in range(100)] + [walk("alone", group_id="g1")]
    page = visit(f"{written(tmp_path / 't.html', scored_run('r', 'r', plays, [('grpo', {})]))}#r/alone//tree")
    page.wait_for_selector(".tree .body p")
    assert page.inner_text(".tree .body") == "No other episode of its group can be laid beside it."
    page.evaluate("location.hash = '#r/7'")
    page.wait_for_selector(TOP)
    assert page.locator(TOP).count() == 30
    page.click(".tree .rest button")
    until(page, f"document.querySelectorAll('{TOP}').length === 60")


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_nothing_is_cut_and_everything_can_be_told_from_its_ground(
    visit, browser, tmp_path, grown, dark
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark" if dark else "light")
    page = visit(f"{written(tmp_path / 't.html', grown)}#run_t/{grown.episodes[0].episode_id}/0/tree", context=context)
    page.wait_for_selector(TOP)
    assert page.evaluate("document.documentElement.classList.contains('dark')") is dark
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    boxes = page.evaluate(
        "[...document.querySelectorAll('.curves svg, .tree .body')].map((n) => n.getBoundingClientRect())"
    )
    assert all(box["left"] >= 0 and box["right"] <= 390 and box["width"] > 250 for box in boxes)
    colours = [
        page.evaluate(f"getComputedStyle(document.querySelector('{where}')).{what}")
        for where, what in ((".curve", "stroke"), (".curves", "backgroundColor"))
    ]
    assert _contrast(*colours) > 3


def test_hostile_text_in_curves_and_trees_runs_nothing(visit, tmp_path) -> None:
    size = len(HOSTILE)
    one = walk(
        "0", steps=size, actions=HOSTILE, observations=(*HOSTILE, "end"), group_id=HOSTILE[1],
        log_belief=(-1.0,) * (size + 1), values=(0.5,) * (size + 1), verifier=(0.5,) * size, rewards=(0.0,) * size,
    )  # fmt: skip
    other = walk(HOSTILE[0], steps=size, actions=HOSTILE[::-1], group_id=HOSTILE[1], rewards=(0.0,) * size)
    credits = {HOSTILE[0]: [[0.5] * size, [-0.5] * size]}
    run = given_run(HOSTILE[1], HOSTILE[0], [one, other], credits, {})
    page = visit(written(tmp_path / "h.html", run))
    press(page, "n", "r", "n")
    page.wait_for_selector(TOP)
    assert page.locator(".tree .did").first.text_content() == printable(HOSTILE[0])
    assert HOSTILE[0] in page.locator(".curves svg").last.get_attribute("aria-label")
    kinds = page.evaluate("[...document.querySelectorAll('body *')].map((node) => node.localName)")
    assert not {"img", "a", "iframe", "object", "link", "style", "form"} & set(kinds)
    names = page.evaluate("[...document.querySelectorAll('*')].flatMap((n) => n.getAttributeNames())")
    assert not {name for name in names if name.startswith("on") or name in ("src", "href")}


def _contrast(one: str, other: str) -> float:
    """The contrast of two colours that a browser wrote as rgb(r, g, b), as WCAG 2 defines it."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
