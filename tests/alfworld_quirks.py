"""Generated games made as messy as real ALFWorld files are."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from credit_gym.envs.alfworld.games import Game


def messy(game: Game, seed: int) -> Game:
    """Repeat facts, and list objects, the target among them, in receptacles where they do not belong."""
    random, lines = Random(seed), game.problem.splitlines()
    places = _first_arguments(lines, "receptacleAtLocation")
    items = _first_arguments(lines, "inReceptacle")
    targets = [item for item in items if item.startswith(f"{game.target}_bar_")]
    moved = [*random.choices(items, k=8), *random.choices(targets, k=2)]
    extra = [f"(inReceptacle {item} {random.choice(places)})" for item in moved]
    start = lines.index("(:init") + 1
    return replace(game, problem="\n".join(lines[:start] + extra + lines[start : start + 40] + lines[start:]))


def _first_arguments(lines: list[str], predicate: str) -> list[str]:
    return [line.split()[1] for line in lines if line.startswith(f"({predicate} ") and "?" not in line]
