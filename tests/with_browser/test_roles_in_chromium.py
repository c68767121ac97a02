"""Episodes of a team in a real browser: who acted, one role alone, and what each earned."""

from __future__ import annotations

import gymnasium as gym
import pytest
from builders.episodes import HOSTILE, walk

import credit_gym  # noqa: F401 - registers credit/*
from credit_gym.agents import parse_agent, run_episodes
from credit_gym.report.page import write_page
from credit_gym.report.text import printable
from credit_gym.report.viewer.shown_run import ShownRun, given_run, scored_run
from credit_gym.wrappers import RecordVerifier

SCORERS = ("magrpo", "role_shapley")


@pytest.fixture(scope="module")
def team() -> ShownRun:
    def made() -> gym.Env[str, str]:
        return RecordVerifier(gym.make("credit/MultiAgentMath-v0"))

    played = run_episodes(made, parse_agent("noisy:0.5", seed=1), episodes=16, group_size=8, seed=1)
    return scored_run("run_a", "a", played, [(scorer, {}) for scorer in SCORERS])


@pytest.fixture(scope="module")
def address(team, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("team") / "view.html"
    write_page(path, title="a team", runs=[team])
    return path.as_uri()


def press(page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
        page.evaluate("new Promise((done) => setTimeout(done, 40))")


def number(text: str) -> float:
    return 0.0 if text == "–" else float(text.replace("\u2212", "-"))


def test_each_step_says_who_acted_by_name_colour_and_shape(visit, address, team) -> None:
    page = visit(address)
    assert page.locator(".step .who-acts span:last-child").all_inner_texts() == list(team.episodes[0].roles)
    signs = page.evaluate("[...document.querySelectorAll('.chips .sign')].map((n) => [n.textContent, n.style.color])")
    assert (
        len({shape for shape, _ in signs}) == len({colour for _, colour in signs}) == len(set(team.episodes[0].roles))
    )


def test_a_role_is_shown_alone_by_button_and_by_key_and_steps_go_along_it(visit, address, team) -> None:
    page = visit(address)
    roles = team.episodes[0].roles
    own = [t for t, role in enumerate(roles) if role == roles[1]]

    def shown() -> list[int]:
        return [int(each.get_attribute("data-step")) for each in page.locator(".step").all()]

    page.locator(".chips button", has_text=roles[1]).click()
    page.wait_for_selector(".chips [aria-pressed=true]")
    assert shown() == own
    press(page, "n")
    assert page.get_attribute(".step.current", "data-step") == str(own[0])
    page.locator(".rest button").first.click()
    page.wait_for_selector(".step[data-step='0']")
    page.locator(".chips [aria-pressed=true]").click()
    page.wait_for_selector(".chips [aria-pressed=false]")
    assert shown() == list(range(len(roles)))
    for role in dict.fromkeys(roles):
        press(page, "i")
        assert page.inner_text("#said") == f"{role} alone"
    press(page, "i")
    assert page.inner_text("#said") == "all roles"


def test_credits_by_role_are_the_sums_of_their_steps(visit, address, team) -> None:
    page = visit(address)
    page.click(".roles summary")
    page.wait_for_selector(".roles table")
    one, every = page.locator(".roles table").all()
    whole = [role for episode in team.episodes for role in episode.roles]
    for table, roles in ((one, team.episodes[0].roles), (every, whole)):
        rows = [row.split("\t") for row in table.locator("tbody tr").all_inner_texts()]
        assert len(rows) == len(set(roles))
        for name, count, *credits in rows:
            role = name[1:].strip()
            places = [p for p, each in enumerate(roles) if each == role]
            assert int(count) == len(places)
            for scorer, text in zip(SCORERS, credits, strict=True):
                assert number(text) == pytest.approx(sum(team.credits[scorer][p] for p in places), abs=1e-3)


@pytest.mark.parametrize("width", [1280, 390])
def test_a_team_fits_the_page_in_the_dark_too(visit, address, width) -> None:
    page = visit(address, width=width)
    press(page, "t", "n")
    page.click(".roles summary")
    page.wait_for_selector(".roles table")
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_hostile_roles_and_any_number_of_them_are_text(visit, tmp_path) -> None:
    roles = (*HOSTILE, *(f"r{i}" for i in range(30)))
    episode = walk(steps=len(roles), roles=roles)
    page_file = tmp_path / "hostile.html"
    write_page(
        page_file, title="t", runs=[given_run("r", "r", [episode, walk("9")], {"c": [[1.0] * len(roles), None]}, {})]
    )
    page = visit(page_file.as_uri())
    texts = page.evaluate("[...document.querySelectorAll('.step .who-acts span:last-child')].map((n) => n.textContent)")
    assert texts == [printable(role) for role in roles]
    assert page.locator(".chips button").count() == 12
    press(page, "i", "j")
    assert page.locator(".step").count() == 3  # of an episode without roles all are shown
    kinds = page.evaluate("[...document.querySelectorAll('body *')].map((node) => node.localName)")
    assert not {"img", "a", "iframe", "object", "link", "style", "form"} & set(kinds)
