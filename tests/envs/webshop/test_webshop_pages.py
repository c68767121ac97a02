"""WebShop's pages: the text, the rich text and the HTML of a page tell the same."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from builders.shops import folders, walk
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.envs.webshop.env import WebShopEnv
from credit_gym.envs.webshop.pages import Node, show_html, show_rich, show_text


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return folders(tmp_path_factory.mktemp("shops"))


def test_the_text_of_blank_nodes():
    nodes = [Node("text", text) for text in ("a", "", " ", "\t ", "\n", " \r\n", "\u00a0", " b\n")]
    assert show_text(nodes) == "a [SEP]  [SEP]  [SEP]  [SEP] b"


class Reader(HTMLParser):
    """The texts of a page's body, and what can be clicked."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self.buttons: list[str] = []
        self.options: list[str | None] = []
        self._stack: list[tuple[str, dict[str, str | None]]] = []
        self._fresh = True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "input":
            if dict(attrs).get("type") == "radio":
                self.options.append(dict(attrs)["value"])
        else:
            self._stack.append((tag, dict(attrs)))
        self._fresh = True

    def handle_endtag(self, tag: str) -> None:
        self._stack.pop()
        self._fresh = True

    def handle_data(self, data: str) -> None:
        tags = [tag for tag, _ in self._stack]
        if "body" not in tags or tags[-1] == "body":
            return
        self.texts.append(data)
        if self._stack[-1][1].get("class") == "btn":
            self.buttons.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)


@given(st.lists(st.tuples(st.sampled_from(["text", "hidden", "button", "link", "option"]), texts), max_size=6))
def test_html_carries_the_texts_of_the_text_mode_unharmed(parts):
    nodes = [Node(kind, text) for kind, text in parts]
    found = read(show_html(nodes, "title"))
    assert show_text(Node("text", text) for text in found.texts) == show_text(nodes)
    assert found.buttons == [text for kind, text in parts if kind == "button" and text]
    assert found.options == [text for kind, text in parts if kind == "option"]


def test_html_of_hostile_pages_shows_the_same_as_text(shops):
    pairs = zip(_observations(shops["nasty"], "html"), _observations(shops["nasty"], "text"), strict=True)
    for html, text in pairs:
        assert show_text(Node("text", found) for found in read(html).texts) == text


def _observations(folder: Path, mode: str) -> Iterator[str]:
    env = WebShopEnv("all", data=folder, observation=mode, max_steps=25)
    return (step[0] for step in walk(env, 400, 3))


def test_rich_text_has_a_line_for_every_text(shops):
    nodes = [Node("text", "a"), Node("option", "v", "n"), Node("link", "A1"), Node("button", "b"), Node("text", "\n")]
    assert show_rich(nodes, 'x"v"', {"A1"}) == (
        "You have clicked v.\na\n  [clicked button] v [clicked button_]\n\n[clicked button] A1 [clicked button_]\n"
        "[button] b [button_]\n"
    )
    assert show_rich(nodes, "v", set()) == (
        "a\n  [button] v [button_]\n\n[button] A1 [button_]\n[button] b [button_]\n"
    )
