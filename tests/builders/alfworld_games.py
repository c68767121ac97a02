"""Generated games made as messy as real ALFWorld files are, and messier."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from credit_gym.envs.alfworld.games import Game, texts_of
from credit_gym.envs.alfworld.published import Texts


def published(game: Game) -> Game:
    """The game as its file brings it: with the domain and the grammar of the installed alfworld."""
    return replace(game, texts=texts_of(game))


def reworded(game: Game, old: str, new: str) -> Game:
    """The game with another grammar."""
    domain, grammar = texts_of(game)
    assert old in grammar
    return replace(game, texts=Texts(domain, grammar.replace(old, new)))


def messy(game: Game, seed: int) -> Game:
    """Repeat facts, and list objects, the target among them, in receptacles where they do not belong."""
    random, lines = Random(seed), game.problem.splitlines()
    places = _arguments(lines, "receptacleAtLocation")
    items = _arguments(lines, "inReceptacle")
    targets = [item for item in items if item.startswith(f"{game.target}_bar_")]
    moved = [*random.choices(items, k=8), *random.choices(targets, k=2)]
    extra = [f"(inReceptacle {item} {random.choice(places)})" for item in moved]
    return _with_facts(game, [*extra, *lines[lines.index("(:init") + 1 : lines.index("(:goal") - 1][:40]])


def odd(game: Game, seed: int) -> Game:
    """Begin with things that are clean, hot, sliced or on, inside each other, and in or out of the wrong places."""
    random, lines = Random(seed), game.problem.splitlines()
    places = _arguments(lines, "receptacleAtLocation")
    items = [item for item in _arguments(lines, "inReceptacle") if not item.startswith(f"{game.target}_bar_")]
    locations = _arguments(lines, "receptacleAtLocation", 2)
    lamps = _arguments(lines, "toggleable")
    extra = [f"(isOn {lamp})" for lamp in lamps]
    for fact in (
        "isClean",
        "isHot",
        "isCool",
        "isSliced",
        "toggleable",
        "isReceptacleObject",
        "sliceable",
        "cleanable",
    ):
        extra += [f"({fact} {item})" for item in random.sample(items, min(2, len(items)))]
    extra += [f"(openable {random.choice(items)})", f"(opened {random.choice(items)})"]
    extra += [f"({fact} {random.choice(places)})" for fact in ("toggleable", "pickupable", "isClean", "isOn")]
    for _ in range(4):
        extra.append(f"(inReceptacleObject {random.choice(items)} {random.choice(items)})")
        extra.append(f"(objectAtLocation {random.choice(items)} {random.choice(locations)})")
        extra.append(f"(opened {random.choice(places)})")
    return _with_facts(game, extra)


def _with_facts(game: Game, facts: list[str]) -> Game:
    return replace(game, problem=game.problem.replace("(:init\n", "\n".join(["(:init", *facts, ""]), 1))


def _arguments(lines: list[str], predicate: str, position: int = 1) -> list[str]:
    facts = (line.strip("()").split() for line in lines if line.startswith(f"({predicate} ") and "?" not in line)
    return [words[position] for words in facts]
