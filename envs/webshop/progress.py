"""How good a purchase is still within reach, and which steps lead to it: exact, from the catalogue."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from credit_gym.envs.remembering import remember_short
from credit_gym.envs.webshop import remembered
from credit_gym.envs.webshop.goals import Goal
from credit_gym.envs.webshop.nouns import bundled_nouns
from credit_gym.envs.webshop.pages import BUY, HOME, NEXT, PAGE_SIZE, PREVIOUS
from credit_gym.envs.webshop.reward import Choice, Match, Reward, ceiling, match_product, priced, wants_met
from credit_gym.envs.webshop.rules import Game, Page, State

_CLAUSE = re.compile(r", and price lower than [\d.]+ dollars$")
_FRONT = re.compile(r"[,;]| that ")
_BRACKETS = re.compile(r"[\[\]]")

_HOME, _PREVIOUS, _NEXT, _BUY = (f"click[{label.lower()}]" for label in (HOME, PREVIOUS, NEXT, BUY))
_DEPTH: dict[Page, int] = {"results": 0, "item": 1, "detail": 2}
_UNLIMITED = 1 << 60


class Prospect(NamedTuple):
    """A purchase within reach.

    Attributes:
        reward: what it earns.
        steps: the fewest steps to it, buying included.
    """

    reward: float
    steps: int


class Outlook(NamedTuple):
    """What a state is worth.

    Attributes:
        key: stable hash of the task and the state.
        best: the best purchase within reach; no reward in no steps where nothing can be earned any more.
        now: what buying now would earn, 0 where one cannot buy.
        actions: every first action of a shortest way to the best purchase; where nothing can be earned in time, of a
            way that takes longer. Empty on the last page.
    """

    key: str
    best: Prospect
    now: float
    actions: tuple[str, ...]


class Route(NamedTuple):
    """A way to a product's page.

    Attributes:
        steps: its length.
        action: its first action, "" if the page is open already.
        product: where it leads.
        options: the options that are chosen there on arrival.
        clicks: on the product's page until the most is earned; 0 where that was not worked out.
    """

    steps: int
    action: str
    product: int
    options: tuple[Choice, ...] = ()
    clicks: int = 0


NOTHING = Prospect(0.0, 0)
Seen: TypeAlias = tuple[Prospect, tuple[str, ...]]


class Progress:
    """What can still be earned in one task.

    Rewards are exact. So are distances, given what a search may be: one of the queries that the environment offers, or
    the title of the product that the goal was written about (where that cannot earn 1, of those that earn most). Where
    too few steps are left to earn the most, new searches are looked at for those products alone; where enough are left,
    no other product is looked at.

    Args:
        game: the shop.
        goal: the task.
    """

    def __init__(self, game: Game, goal: Goal) -> None:
        self.queries = offered_queries(goal.instruction)
        self._game = game
        self._goal = goal
        self._products = game.catalogue.products
        self._by_name = not game.quirks.ignore_option_names
        targets, self._top = self._worth_searching()
        # The fewest steps on the page of a product that is to earn 1, nothing being chosen there yet.
        self._least = 2 if goal.wants and self._top == 1.0 else 1
        self._searches = tuple(sorted(self._find_searches(targets), key=self._length))
        self._elsewhere = self._searches  # the ways to them from a page without a search field
        if not game.quirks.search_anywhere:
            again = (route._replace(steps=route.steps + 1, action=_HOME) for route in self._searches)
            self._elsewhere = tuple(dict.fromkeys(again))
        self._enough = self._length(self._elsewhere[0]) if self._elsewhere else math.inf
        shortest = (route for route in self._elsewhere if self._length(route) == self._enough)
        self._shortest = tuple({route.action: route for route in shortest}.values())

    def reward(self, product: int, options: tuple[Choice, ...]) -> Reward:
        """Return the reward of buying a product with some options now."""
        met = 0
        for name, value in options:
            met |= _met(self, name, value)
        return priced(_match(self, product), met.bit_count(), self._goal)

    def outlook(self, state: State, left: int) -> Outlook:
        """Return what a state is worth with ``left`` more steps to go; the last page is worth what was bought."""
        place = state[:6]
        outlook = _outlook(state.query, self, place)
        return outlook if outlook.best.steps <= left else _in_haste(state.query, self, place, left)

    def _unhurried(self, place: tuple[Any, ...]) -> Outlook:
        """The outlook of a state without a limit; which products were opened before makes no difference."""
        state = State(*place)
        name = "\0".join((self._goal.id, self._goal.instruction, *map(str, place)))
        key = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        now = 0.0
        if state.page in ("item", "done"):
            now = self.reward(state.product, state.options).value
        if state.page == "done":
            return Outlook(key, Prospect(now, 0), now, ())
        best, actions = self._seen(state, _UNLIMITED)
        lost = f"search[{self.queries[0]}]" if state.page == "start" else _HOME
        return Outlook(key, best, now, actions or (lost,))

    def _hurried(self, place: tuple[Any, ...], left: int) -> Outlook:
        """The outlook of a state whose best purchase takes more than the steps that are left."""
        state = State(*place)
        best, actions = self._seen(state, left)
        outlook = _outlook(state.query, self, place)
        return outlook._replace(best=best, actions=actions or outlook.actions)

    def _seen(self, state: State, left: int) -> Seen:
        """What there is to see from a state: alike for all that differ in what makes no difference to it.

        That is details, options that meet no want, and with time for a new search every product but the best.
        """
        product, options = state.product, self._counting(state.options)
        if product >= 0 and left >= self._enough and not _earns_most(self, product):
            product, options = -1, ()
        elif state.page == "results" and not options:
            product = -1
        return _survey(state.query, self, State(state.page, state.query, state.number, product, "", options), left)

    def _counting(self, options: tuple[Choice, ...]) -> tuple[Choice, ...]:
        """Those options that meet a want; another is as if it had not been chosen."""
        return options and tuple(choice for choice in options if _met(self, *choice))

    def _look_around(self, state: State, left: int) -> Seen:
        """The best purchase within ``left`` steps, and every first action of a shortest way to it."""
        best, ways = NOTHING, list[Route]()
        for route in self._routes(state, left):
            if route.steps >= left:  # no step is left to buy
                continue
            if best.reward == self._top and best.steps < route.steps + (1 if route.options else self._least):
                continue
            if best.reward > _bound(self, route.product):
                continue
            found = self._along(route, left)
            if found.reward > best.reward or (found.reward == best.reward > 0.0 and found.steps < best.steps):
                best, ways = found, [route]
            elif found == best != NOTHING:
                ways.append(route)
        actions = (action for way in ways for action in ([way.action] if way.action else self._first_clicks(way, best)))
        return best, tuple(dict.fromkeys(actions))

    def _along(self, route: Route, left: int) -> Prospect:
        """The best purchase at the end of a route."""
        if 0 < route.clicks <= left - route.steps:
            return Prospect(self._top, route.steps + route.clicks)
        for rung in reversed(self._from(route.product, route.options)):
            steps = route.steps + rung.steps
            if steps <= left:
                return Prospect(rung.reward, steps)
        return NOTHING

    def _first_clicks(self, route: Route, best: Prospect) -> Iterator[str]:
        """What to click on a product's page to buy it in the best way."""
        if best.steps == 1:
            yield _BUY
            return
        chosen = dict(route.options)
        for name, value in self._game.choices(route.product):
            if chosen.get(name) != value and _met(self, name, value):
                then = tuple((chosen | {name: value}).items())
                if Prospect(best.reward, best.steps - 1) in self._from(route.product, then):
                    yield f"click[{value}]"

    def _from(self, product: int, options: tuple[Choice, ...]) -> tuple[Prospect, ...]:
        """The rungs of a product with some options chosen."""
        return _ladder(self, product, self._counting(options))

    def _rungs(self, product: int, options: tuple[Choice, ...]) -> tuple[Prospect, ...]:
        """What buying a product earns after one more click each that improves it, fewest clicks first."""
        match = _match(self, product)
        counts = self._options_met(product, options) if match.r_type > 0.0 else {}
        rungs: list[Prospect] = []
        for clicks, met in sorted(counts.items()):
            earned = priced(match, met, self._goal).value
            if not rungs or earned > rungs[-1].reward:
                rungs.append(Prospect(earned, clicks + 1))
        return tuple(rungs)

    def _options_met(self, product: int, options: tuple[Choice, ...]) -> dict[int, int]:
        """Number of clicks -> the most wants that they can meet: the best choice for each name, name after name."""
        kept = {name: _met(self, name, value) for name, value in options}
        offers: dict[str, set[int]] = {name: set() for name in kept}
        for name, value in self._game.choices(product):
            met = _met(self, name, value)
            if met:
                offers.setdefault(name, set()).add(met)
        fewest = {0: 0}  # wants met -> clicks
        for name, values in offers.items():
            ways = [(kept.get(name, 0), 0), *((met, 1) for met in values)]
            reached: dict[int, int] = {}
            for before, clicks in fewest.items():
                for met, click in ways:
                    both = before | met
                    reached[both] = min(reached.get(both, clicks + click), clicks + click)
            fewest = reached
        counts: dict[int, int] = {}
        for met, clicks in fewest.items():
            counts[clicks] = max(counts.get(clicks, 0), met.bit_count())
        return counts

    def _wants_met(self, name: str, value: str) -> int:
        return wants_met((name, value), self._goal.wants, by_name=self._by_name)

    def _find_match(self, product: int) -> Match:
        """What a product brings before any option is chosen."""
        return match_product(self._products[product], self._products[self._goal.product], self._goal)

    def _ceiling(self, product: int) -> float:
        return ceiling(self._products[product], self._products[self._goal.product], self._goal)

    def _routes(self, state: State, left: int) -> Iterator[Route]:
        """The ways to products."""
        if state.page == "start":
            yield from self._searches
            return
        depth = _DEPTH[state.page]  # steps back to the results
        # With time for a new search that ends in the highest reward, only what earns as much as soon can be better.
        hurried = left < self._enough
        if depth and (hurried or (state.product >= 0 and _earns_most(self, state.product))):
            yield Route(depth - 1, "" if depth == 1 else _PREVIOUS, state.product, state.options)
        yield from self._elsewhere if hurried else self._shortest
        kept = state.product if state.options and not depth else -1  # from its own page no other way is as short
        near = left - depth - 2  # pages that can be turned before opening and buying
        hits = self._hits(state.query, state.number, near) if near >= 0 and (hurried or kept >= 0) else ()
        if not hurried:
            best = _best_hits(state.query, self, state.number)
            hits = (*(best[:1] if depth else best), *(hit for hit in hits if hit[1] == kept))
        for turns, hit in hits:
            steps = depth + abs(turns) + 1
            if steps < left:
                action = _PREVIOUS if depth or turns < 0 else _NEXT if turns else self._click(hit)
                yield Route(steps, action, hit, state.options if hit == kept else ())

    def _click(self, product: int) -> str:
        return f"click[{self._products[product].asin.lower()}]"

    def _hits(self, query: str, number: int, near: int = _UNLIMITED) -> tuple[tuple[int, int], ...]:
        """``(pages to turn, product)`` of the results of a search, one of whose pages is open, not too far from it."""
        first = max(0, number - 1 - near) * PAGE_SIZE
        hits = self._game.hits(query)[first : (number + near) * PAGE_SIZE]
        return tuple((place // PAGE_SIZE + 1 - number, hit) for place, hit in enumerate(hits, first))

    def _find_best_hits(self, query: str, number: int) -> tuple[tuple[int, int], ...]:
        """Those of the results that earn the most the soonest; none if a new search is sooner."""
        best, soonest = list[tuple[int, int]](), self._enough
        for turns, hit in sorted(self._hits(query, number), key=lambda hit: abs(hit[0])):
            route = Route(abs(turns) + 1, "", hit, ())
            if route.steps + self._least > soonest or not _earns_most(self, hit):
                continue
            steps = self._length(route)
            if steps <= soonest:
                best = [*(best if steps == soonest else ()), (turns, hit)]
                soonest = steps
        return tuple(best)

    def _find_searches(self, targets: list[int]) -> Iterator[Route]:
        """The searches that lead to a product worth a search, from a page with a search field."""
        titles = (query_for(self._products[target].title) for target in targets)
        found = {query: self._game.hits(query) for query in (*self.queries, *titles) if query}
        places = [hits.index(target) for hits in found.values() for target in targets if target in hits]
        pages = min(places, default=0) // PAGE_SIZE + 1  # a product further back takes more steps
        for query, hits in found.items():
            action = f"search[{query}]"
            for place, hit in enumerate(hits[: pages * PAGE_SIZE]):
                if _earns_most(self, hit):
                    clicks = _ladder(self, hit, ())[-1].steps
                    yield Route(2 + place // PAGE_SIZE, action, hit, clicks=clicks)

    def _length(self, route: Route) -> int:
        """Steps until the most is earned at the end of a route."""
        return route.steps + (route.clicks or self._from(route.product, route.options)[-1].steps)

    def _worth_searching(self) -> tuple[list[int], float]:
        """The wanted product if it can earn 1, else up to ten of those that earn the most; and how much that is."""
        own, goal = self._goal.product, self._goal
        targets, most = [own], self._most(own)
        for number, product in enumerate(self._products if most < 1.0 else ()):
            # Neither is kept: there may be a million.
            if number == own or ceiling(product, self._products[own], goal) < most:
                continue
            if priced(match_product(product, self._products[own], goal), len(goal.wants), goal).value < most:
                continue
            found = self._most(number)
            if found > most:
                targets, most = [number], found
            elif found == most > 0.0:
                targets.append(number)
        return targets[:PAGE_SIZE], most

    def _is_best(self, product: int) -> bool:
        """Whether no purchase earns more than this product at its best."""
        if self._top == 0.0 or _bound(self, product) < self._top:
            return False
        every = priced(_match(self, product), len(self._goal.wants), self._goal).value
        return every >= self._top and self._most(product) == self._top

    def _most(self, product: int) -> float:
        """The most that buying a product can earn."""
        ladder = _ladder(self, product, ())
        return ladder[-1].reward if ladder else 0.0


def offered_queries(instruction: str) -> tuple[str, ...]:
    """Return three searches that can be read off an instruction: all of it, its nouns, and how it begins.

    They are what the list of admissible actions offers where anything may be searched for.
    """
    plain = _CLAUSE.sub("", instruction)
    found = (plain, " ".join(bundled_nouns(plain)), _FRONT.split(plain)[0])
    queries = (query_for(text) for text in found)
    return tuple(dict.fromkeys(query for query in queries if query)) or ("anything",)


def query_for(text: str) -> str:
    """Return a text as it can stand in ``search[...]``: one line, lower-cased, without brackets."""
    return " ".join(_BRACKETS.sub(" ", text).lower().split())


# What was worked out lately, of all tasks together: memory comes to an end, however many tasks are played.
_match = lru_cache(remembered.OUTLOOKS)(Progress._find_match)
_ladder = lru_cache(remembered.JUDGED)(Progress._rungs)
_met = lru_cache(remembered.JUDGED)(Progress._wants_met)
_bound = lru_cache(remembered.JUDGED)(Progress._ceiling)
_earns_most = lru_cache(remembered.JUDGED)(Progress._is_best)


@remember_short(remembered.OUTLOOKS, remembered.LONGEST_QUERY)
def _survey(_: str, progress: Progress, state: State, left: int) -> Seen:
    return progress._look_around(state, left)


@remember_short(remembered.HURRIED, remembered.LONGEST_QUERY)
def _outlook(_: str, progress: Progress, place: tuple[Any, ...]) -> Outlook:
    return progress._unhurried(place)


@remember_short(remembered.HURRIED, remembered.LONGEST_QUERY)
def _in_haste(_: str, progress: Progress, place: tuple[Any, ...], left: int) -> Outlook:
    return progress._hurried(place, left)


@remember_short(remembered.RANKED, remembered.LONGEST_QUERY)
def _best_hits(query: str, progress: Progress, number: int) -> tuple[tuple[int, int], ...]:
    return progress._find_best_hits(query, number)
