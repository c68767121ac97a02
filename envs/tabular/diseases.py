"""The fourteen diagnostic tasks: small mazes, each built to carry one disease of credit assignment.

A maze is a chain of junctions. Its rooms map the role of each move to what it does; roles and room names are for the
reader of this file, agents see shuffled room numbers and controls. Every maze ends in ``exit`` (success) or ``pit``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from credit_gym.envs.tabular.build import Outcome
from credit_gym.envs.tabular.sketch import Move, attempt, to

Moves = dict[str, Move]
NEVER = float("-inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Maze:
    """What a disease needs to be carried.

    Attributes:
        rooms: moves by role, of each room; the first room is the start.
        horizon: step limit while data is collected.
        evaluation_horizon: step limit when a trained policy is judged; ``horizon`` if None.
        twins: room -> the room whose looks it has; both have the same roles.
        start_alternative: a second start, taken half of the time.
        behaviour_weight: shares of the prior policies.
    """

    rooms: Mapping[str, Moves]
    horizon: int
    evaluation_horizon: int | None = None
    twins: Mapping[str, str] = field(default_factory=dict)
    start_alternative: str | None = None
    behaviour_weight: tuple[float, ...] = (1.0,)


def selfloop() -> Maze:
    """No information: moves that do nothing are worth exactly what the room is worth.

    Nothing here can fail, so the success of an episode says nothing about any step: outcome means are all 1, and a
    greedy policy that settles on a loop never leaves it.
    """
    return Maze(rooms=_chain(3, lambda here, on: {"on": to(on, 1.0)} | _loops(here, 3)), horizon=60)


def backcycle() -> Maze:
    """The same tie by cycles of length two: going back can always be made good again.

    Only a ledge at the last junction gives way now and then, so that not every episode succeeds.
    """
    rooms: dict[str, Moves] = {
        "0": {"on": to("1", 1.0)},
        "1": {"on": to("2", 1.0), "back": to("0", -1.0)},
        "2": {"on": to("3", 1.0), "back": to("1", -1.0)},
        "3": {"on": to("exit", 1.0), "back": to("2", -1.0), "ledge": attempt(0.88, "3", "pit", 0.0)},
    }
    return Maze(rooms=rooms, horizon=60)


def ring() -> Maze:
    """The same tie by cycles of length four, through rooms that are left by no other way."""

    def junction(here: str, on: str) -> Moves:
        return {"on": to(on, 1.0, bonus=3.0), "ring": to(f"{here} east"), "pit": to("pit")}

    rooms = _chain(4, junction)
    for here in list(rooms):
        for side, after in (("east", f"{here} south"), ("south", f"{here} west"), ("west", here)):
            rooms[f"{here} {side}"] = {"walk": to(after), "wait": to(f"{here} {side}")}
    return Maze(rooms=rooms, horizon=80)


def rare() -> Maze:
    """The winner's curse: six loops, each tried so rarely that its mean outcome is mostly luck.

    The agent is competent and progress is tried often, so its mean is sharp and below 1; the luckiest of six loops
    reads higher. This is variance: more episodes cure it.
    """

    def junction(here: str, on: str) -> Moves:
        return {"on": to(on, 1.0, bonus=5.0), "pit": to("pit", bonus=-1.0)} | _loops(here, 6)

    return Maze(rooms=_chain(4, junction), horizon=80)


def decoy() -> Maze:
    """A verifier that cheers too early: a branch that reads as progress but only leads back."""

    def junction(here: str, on: str) -> Moves:
        decoy = to(f"{here} decoy", 1.0)
        return {"on": to(on, 1.0, bonus=1.0), "decoy": decoy, "loop": to(here), "pit": to("pit")}

    rooms = _chain(3, junction)
    rooms |= {f"{here} decoy": {"return": to(here)} for here in list(rooms)}
    return Maze(rooms=rooms, horizon=60)


def decoydead() -> Maze:
    """The same, but the branch that reads as progress ends in the pit."""

    def junction(here: str, on: str) -> Moves:
        return {"on": to(on, 1.0, bonus=4.0), "decoy": to(f"{here} decoy", 1.0), "loop": to(here)}

    rooms = _chain(3, junction)
    rooms |= {f"{here} decoy": {"fall": to("pit")} for here in list(rooms)}
    return Maze(rooms=rooms, horizon=60)


def regress() -> Maze:
    """A verifier with the wrong sign: the needed step reads -1 while a move that does nothing reads +1.

    The contrast of the readings prefers the idle move by nearly 3, more than any probability of success can repair
    with unit weight.
    """
    rooms: dict[str, Moves] = {
        "0": {"on": to("1", 1.0)} | _loops("0", 3),
        "1": {"on": to("2", -1.0), "tidy": to("1", 1.0), "loop": to("1")},
        "2": {"on": to("exit", 1.0, bonus=2.0), "pit": to("pit", bonus=-1.0)} | _loops("2", 2),
    }
    return Maze(rooms=rooms, horizon=60)


def keydoor() -> Maze:
    """A harmful omission that reads as progress: walking on without the key cannot be undone.

    Walking on reads +1, taking the key 0; the door at the end opens only to those who have the key.
    """
    rooms: dict[str, Moves] = {
        "0": {"take key": to("1 with"), "walk on": to("1 without", 1.0, bonus=1.5), "loop": to("0")},
    }
    for lock, end in (("with", "exit"), ("without", "3 without")):
        for here, on in (("1", f"2 {lock}"), ("2", f"3 {lock}"), ("3", end)):
            room = f"{here} {lock}"
            rooms[room] = {"on": to(on, 0.0 if on == room else 1.0)} | _loops(room, 3)
    return Maze(rooms=rooms, horizon=60)


def lucky() -> Maze:
    """Risk: a shortcut that wins now and then against a long route that wins mostly.

    Entering the shortcut reads as progress and one jump in five succeeds, so a few lucky wins make it look good to
    whoever counts successes or expects the best case. Even the long route is not safe: the best success is 0.86.
    """

    def junction(here: str, on: str) -> Moves:
        safe = Move((Outcome(0.95, on, 1.0), Outcome(0.05, "pit")), (1.0,))
        return {"safe": safe, "shortcut": to("gamble", 1.0)} | _loops(here, 3)

    rooms = _chain(3, junction)
    rooms["gamble"] = {"jump": attempt(0.2, "exit", "pit", 0.0)} | _loops("gamble", 2)
    return Maze(rooms=rooms, horizon=60)


def slip() -> Maze:
    """The right action mostly fails: it works 35 times in 100, and nothing else ever works."""

    def junction(here: str, on: str) -> Moves:
        return {"on": attempt(0.35, on, here, bonus=4.0), "pit": to("pit")} | _loops(here, 2)

    return Maze(rooms=_chain(3, junction), horizon=60)


def rejoin() -> Maze:
    """A longer route that is just as valid, judged under a horizon that leaves time for one of its two detours."""

    def junction(here: str, on: str) -> Moves:
        return {"short": to(on, 1.0), "long": to(f"{here} garden"), "ledge": attempt(0.85, here, "pit", 0.0)}

    rooms = _chain(2, junction)
    for here, on in (("0", "1"), ("1", "exit")):
        rooms[f"{here} garden"] = {"walk": to(f"{here} yard"), "back": to(here)}
        rooms[f"{here} yard"] = {"walk": to(on, 1.0)}
    return Maze(rooms=rooms, horizon=40, evaluation_horizon=4)


def allfail() -> Maze:
    """Almost no success in the data: about one episode in fifty, so that in many groups all outcomes are equal.

    Most roads end in a pit, and even the last door opens only 6 times in 10. The verifier sees the way to it.
    """

    def junction(here: str, on: str) -> Moves:
        return {"on": to("door" if on == "exit" else on, 1.0), "pit": to("pit"), "shaft": to("pit"), "loop": to(here)}

    return Maze(rooms=_chain(3, junction) | {"door": {"push": attempt(0.6, "exit", "pit")}}, horizon=50)


def alias() -> Maze:
    """Two worlds that print the same text: left is right in one, right in the other.

    Which world it is is decided at the start and never shown. A deterministic policy over what is shown solves at
    most one of the two, and only if it turns the same way in every room.
    """
    rooms: dict[str, Moves] = {}
    twins = {}
    for world, other in (("light", "dark"), ("dark", "light")):
        for stage in range(3):
            here, on = f"{world} {stage}", f"{world} {stage + 1}" if stage < 2 else "exit"
            left, right = (to(on, 1.0), to(here)) if world == "light" else (to(here), to(on, 1.0))
            rooms[here] = {"left": left, "right": right, "loop": to(here)}
            if world == "dark":
                twins[here] = f"{other} {stage}"
    return Maze(rooms=rooms, horizon=18, twins=twins, start_alternative="dark 0")


def confound() -> Maze:
    """Two agents in one pool: a careful one that dawdles and a reckless one that hurries and dies.

    Loops are the mark of the careful agent, so they go with success although they never cause it. This is bias: no
    number of episodes cures a mean of outcomes.
    """

    def junction(here: str, on: str) -> Moves:
        loops = {f"loop {n}": Move((Outcome(1.0, here),), (1.0, -2.0)) for n in range(2)}
        hurry = {
            "on": Move((Outcome(1.0, on, 1.0),), (0.0, 1.0)),
            "pit": Move((Outcome(1.0, "pit"),), (NEVER, 1.0)),
        }
        return hurry | loops

    return Maze(rooms=_chain(3, junction), horizon=60, behaviour_weight=(0.3, 0.7))


MAZES: Mapping[str, Callable[[], Maze]] = {
    maze.__name__: maze
    for maze in (
        selfloop,
        backcycle,
        ring,
        rare,
        decoy,
        decoydead,
        regress,
        keydoor,
        lucky,
        slip,
        rejoin,
        allfail,
        alias,
        confound,
    )
}


def _chain(length: int, moves: Callable[[str, str], Moves]) -> dict[str, Moves]:
    """Return junctions ``0..length-1``, each with the moves made from its own and the next room's name."""
    names = [*map(str, range(length)), "exit"]
    return {here: moves(here, on) for here, on in pairwise(names)}


def _loops(here: str, count: int) -> Moves:
    """Return moves that do nothing."""
    return {f"loop {number}": to(here) for number in range(count)}
