"""WebShop's state machine: what a page offers, and where each click and search leads."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Literal, NamedTuple

from credit_gym.envs.remembering import remember_short
from credit_gym.envs.webshop import remembered
from credit_gym.envs.webshop.catalogue import Catalogue
from credit_gym.envs.webshop.pages import (
    BASE_URL,
    BUY,
    DETAILS,
    HOME,
    NEXT,
    PAGE_SIZE,
    PREVIOUS,
    SEARCH,
    START,
    Node,
    detail_page,
    item_page,
    results_page,
    show_text,
)
from credit_gym.envs.webshop.reward import Choice
from credit_gym.envs.webshop.search import Index
from credit_gym.errors import unknown

MAX_RESULTS = 50

Page = Literal["start", "results", "item", "detail", "done"]


@dataclass(frozen=True, slots=True)
class Quirks:
    """Which of the published environment's oddities to keep; all are mended by default.

    Not to be had are those that no record could be repeated with (prices drawn without a seed, goals that depend on
    earlier sessions) and the crashes of queries that begin with ``<r>``, ``<c>``, ``<q>`` or ``<a>``: those are words.

    Attributes:
        skip_first_goal: the first goal is never drawn, and the last one twice as often.
        search_anywhere: a search is accepted on every page, not only where the search field is.
        show_score: the last page tells the reward.
        play_on: after buying one can search, and buy again.
        ignore_option_names: a wanted option is met by a like value of any option.
        forget_options: going from a product back to the results forgets the options chosen.
        endless_results: there is always a next page of results; those behind the last are empty.
        integer_zero: a step that earns nothing earns the integer 0.
    """

    skip_first_goal: bool = False
    search_anywhere: bool = False
    show_score: bool = False
    play_on: bool = False
    ignore_option_names: bool = False
    forget_options: bool = False
    endless_results: bool = False
    integer_zero: bool = False

    @classmethod
    def of(cls, compat: bool | Collection[str]) -> Quirks:
        """Return all quirks, none, or those of the given names.

        Raises:
            UnknownNameError: there is no such quirk.
        """
        known = [field.name for field in fields(cls)]
        names = (known if compat else ()) if isinstance(compat, bool) else compat
        for name in names:
            if name not in known:
                raise unknown("quirk", name, known)
        return cls(**dict.fromkeys(names, True))


class State(NamedTuple):
    """Where a shopper is.

    Attributes:
        page: which page.
        query: what was searched for, lower-cased.
        number: page of the results, from 1.
        product: position of the product that is or was open, -1 if none.
        detail: which of the product's further pages is open.
        options: ``(name, value)`` of that product, in the order in which the names were first chosen.
        visited: positions of the products opened since the search field was last seen.
    """

    page: Page = "start"
    query: str = ""
    number: int = 1
    product: int = -1
    detail: str = ""
    options: tuple[Choice, ...] = ()
    visited: frozenset[int] = frozenset()


Move = Callable[[State], State]


class View(NamedTuple):
    """What a page shows and offers, whatever the goal.

    Attributes:
        nodes: the page below its heading.
        text: the same as text.
        moves: what can be clicked, in the order of the page, and where it leads.
        actions: the clicks that can be written as an action.
        choices: the options that such a click chooses.
    """

    nodes: tuple[Node, ...]
    text: str
    moves: dict[str, Move]
    actions: tuple[str, ...]
    choices: tuple[Choice, ...]


def parse(action: str) -> tuple[str, str] | None:
    """Return the name and the lower-cased argument of ``name[argument]``; what follows the last bracket is ignored."""
    line = action.partition("\n")[0]
    close = line.rfind("]")
    opening = line.rfind("[", 1, max(close - 1, 0))
    return None if opening < 0 else (line[:opening], line[opening + 1 : close].lower())


class Game:
    """The rules of a shop. It holds no state but caches, and may be shared.

    Args:
        catalogue: the products.
        index: finds them.
        quirks: oddities to keep.
        show_attributes: whether the pages of products lead to their attributes.
    """

    def __init__(self, catalogue: Catalogue, index: Index, quirks: Quirks, *, show_attributes: bool = False) -> None:
        self.catalogue = catalogue
        self.quirks = quirks
        self._index = index
        self._show_attributes = show_attributes
        self._start = _view(START, {SEARCH: _stay})
        self._results = remember_short(remembered.PAGES, remembered.LONGEST_QUERY)(self._results_view)
        self._item = lru_cache(remembered.PAGES)(self._item_view)
        self._detail = lru_cache(remembered.DETAILS)(self._detail_view)
        self._done = _view((), {})

    def move(self, state: State, action: str) -> State | None:
        """Return the state after an action, None if it is refused."""
        parsed = parse(action)
        if parsed is None:
            return None
        name, argument = parsed
        if name == "click":
            target = self.view(state).moves.get(argument)
            return None if target is None or argument == "search" else target(state)
        if name == "search" and (self.quirks.search_anywhere or state.page == "start"):
            return State("results", argument, visited=state.visited)
        return None

    def view(self, state: State) -> View:
        """Return what the page of a state shows and offers."""
        if state.page == "results":
            return self._results(state.query, state.number)
        if state.page == "item":
            return self._item(state.product)
        if state.page == "detail":
            return self._detail(state.product, state.detail)
        return self._start if state.page == "start" else self._done

    def hits(self, query: str) -> list[int]:
        """Return what a search finds: positions of at most 50 products, best first."""
        return self._index.search(query, MAX_RESULTS)

    def url(self, state: State, session: str) -> str:
        """Return the address of a page."""
        asin = self.catalogue.products[state.product].asin
        words, options = state.query.replace(" ", "+"), dict(state.options)
        paths: dict[Page, str] = {
            "start": session,
            "results": f"search_results/{session}/{words}/{state.number}",
            "item": f"item_page/{session}/{asin}/{words}/{state.number}/{json.dumps(options)}",
            "detail": f"item_sub_page/{session}/{asin}/{words}/{state.number}/{state.detail}/{options}",
            "done": f"done/{session}/{asin}/{options}",
        }
        return f"{BASE_URL}/{paths[state.page]}"

    def choices(self, product: int) -> tuple[Choice, ...]:
        """Return the options of a product that a click can choose."""
        return self._item(product).choices

    def _results_view(self, query: str, number: int) -> View:
        hits = self.hits(query)
        shown = hits[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
        more = self.quirks.endless_results or number * PAGE_SIZE < len(hits)
        products = [self.catalogue.products[hit] for hit in shown]
        moves: dict[str, Move] = {HOME: _home, PREVIOUS: partial(_turn, -1), NEXT: partial(_turn, 1)}
        links = {product.asin: _opening(hit) for product, hit in zip(products, shown, strict=True)}
        return _view(results_page(products, number, len(hits), more=more), moves, links)

    def _item_view(self, product: int) -> View:
        found = self.catalogue.products[product]
        leave = _leave_forgetting if self.quirks.forget_options else _leave
        moves: dict[str, Move] = {HOME: _home, PREVIOUS: leave, BUY: _buy}
        moves |= {name: partial(_read, name) for name in DETAILS}
        return _view(item_page(found, attributes=self._show_attributes), moves)

    def _detail_view(self, product: int, name: str) -> View:
        return _view(detail_page(self.catalogue.products[product], name), {HOME: _home, PREVIOUS: _back})


def _view(
    nodes: tuple[Node, ...], buttons: Mapping[str, Move], links: Mapping[str, Move] = MappingProxyType({})
) -> View:
    """Buttons come first, then links, then options, by the texts that a click names them with.

    A text that stands for several things keeps its first place; a button beats what else has its text, and of equal
    options the last one wins.
    """
    labels = {node.text.lower(): buttons[node.text] for node in nodes if node.kind == "button"}
    moves: dict[str, Move] = dict(labels)
    moves |= {node.text.lower(): links[node.text] for node in nodes if node.kind == "link"}
    options = {node.text: (node.name, node.text) for node in nodes if node.kind == "option"}
    moves |= {text: partial(_choose, choice) for text, choice in options.items()}
    moves |= labels
    actions = tuple(action for text in moves if (action := _click(text)))
    choices = tuple(choice for text, choice in options.items() if text not in labels and _click(text))
    return View(nodes, show_text(nodes), moves, actions, choices)


@lru_cache(remembered.TEXTS)
def _click(text: str) -> str:
    """The action that clicks on a text, "" if none can."""
    action = f"click[{text}]"
    return action if text != "search" and parse(action) == ("click", text) else ""


def _stay(state: State) -> State:
    return state


def _home(state: State) -> State:
    return State()


def _turn(by: int, state: State) -> State:
    return state._replace(number=state.number + by)


def _open(product: int, state: State) -> State:
    options = state.options if product == state.product else ()
    return state._replace(page="item", product=product, options=options, visited=state.visited | {product})


@lru_cache(remembered.PAGES)
def _opening(product: int) -> Move:
    return partial(_open, product)


def _choose(choice: Choice, state: State) -> State:
    return state._replace(options=tuple((dict(state.options) | dict((choice,))).items()))


def _read(detail: str, state: State) -> State:
    return state._replace(page="detail", detail=detail)


def _back(state: State) -> State:
    return state._replace(page="item", detail="")


def _leave(state: State) -> State:
    return state._replace(page="results", product=state.product if state.options else -1)


def _leave_forgetting(state: State) -> State:
    return state._replace(page="results", product=-1, options=())


def _buy(state: State) -> State:
    return state._replace(page="done")
