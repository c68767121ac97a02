"""Who speaks in a team, and who hears whom: an acyclic graph of roles, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from credit_gym.errors import CreditGymError, unknown


@dataclass(frozen=True)
class RoleGraph:
    """The roles of a team and their parents.

    Attributes:
        parents: role -> the roles whose messages it is given; with them come those that they were given.
        duties: role -> what it is told to do; a role without one is told what every role of its place is told.

    Raises:
        CreditGymError: there is no role, a parent is unknown, or roles wait for each other in a circle.
    """

    parents: Mapping[str, tuple[str, ...]]
    duties: Mapping[str, str]

    def __post_init__(self) -> None:
        if not self.parents:
            raise CreditGymError("A team needs at least one role; give a mapping of roles to their parents.")
        for role, parents in self.parents.items():
            if isinstance(parents, str):
                raise CreditGymError(f"The parents of role {role!r} must be a list of roles, not the text {parents!r}.")
            for parent in parents:
                if parent not in self.parents:
                    raise unknown("role", parent, self.parents)
        for role in self.duties:
            if role not in self.parents:
                raise unknown("role", role, self.parents)
        _ = self.order

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The roles in the order in which they speak: parents first, else as they were declared (Kahn, 1962)."""
        waiting = {role: set(parents) for role, parents in self.parents.items()}
        ready = [role for role, parents in waiting.items() if not parents]
        order: list[str] = []
        while ready:
            role = ready.pop(0)
            order.append(role)
            for other, parents in waiting.items():
                if role in parents:
                    parents.remove(role)
                    if not parents:
                        ready.append(other)
        circle = [role for role in self.parents if role not in order]
        if circle:
            raise CreditGymError(
                f"The roles {', '.join(circle)} wait for each other in a circle; remove one of their parents."
            )
        return tuple(order)

    @cached_property
    def ancestors(self) -> dict[str, tuple[str, ...]]:
        """Role -> everyone whose message reaches it, in speaking order."""
        found: dict[str, set[str]] = {}
        for role in self.order:
            found[role] = set(self.parents[role]).union(*(found[parent] for parent in self.parents[role]))
        return {role: tuple(other for other in self.order if other in found[role]) for role in self.order}

    @property
    def answer_role(self) -> str:
        """Who speaks last, and whose message is graded."""
        return self.order[-1]

    def duty(self, role: str) -> str:
        """What a role is told to do."""
        if role in self.duties:
            return self.duties[role]
        if role == self.answer_role:
            return "Use what you were told and give the answer."
        return "Work on the problem for those after you; do not give the final answer."


def role_graph(roles: str | Mapping[str, Sequence[str]] | RoleGraph) -> RoleGraph:
    """Return a role graph from its name, a mapping of roles to their parents, or itself.

    The names: ``solo``; ``reasoner_actor``; ``planner_solvers`` (a planner, two solvers side by side, an integrator);
    ``chain4``.

    Raises:
        UnknownNameError: there is no graph of that name, or a parent is no role.
        CreditGymError: roles wait for each other in a circle.
    """
    if isinstance(roles, RoleGraph):
        return roles
    if isinstance(roles, str):
        if roles not in ROLE_GRAPHS:
            raise unknown("role graph", roles, ROLE_GRAPHS)
        return ROLE_GRAPHS[roles]
    parents = {str(role): own if isinstance(own, str) else tuple(own) for role, own in roles.items()}
    return RoleGraph(parents, {})  # type: ignore[arg-type]  # a text is refused there in a sentence


ROLE_GRAPHS: dict[str, RoleGraph] = {
    "solo": RoleGraph({"solver": ()}, {"solver": "Solve the problem and give the answer."}),
    "reasoner_actor": RoleGraph(
        {"reasoner": (), "actor": ("reasoner",)},
        {
            "reasoner": "Say how the problem is to be solved, for the actor after you; do not give the final answer.",
            "actor": "Carry out what the reasoner says and give the answer.",
        },
    ),
    "planner_solvers": RoleGraph(
        {
            "planner": (),
            "first_solver": ("planner",),
            "second_solver": ("planner",),
            "integrator": ("first_solver", "second_solver"),
        },
        {
            "planner": "Divide the problem between two solvers, who work side by side.",
            "first_solver": "Work out the first solver's share of the plan.",
            "second_solver": "Work out the second solver's share of the plan.",
            "integrator": "Put the solvers' work together and give the answer.",
        },
    ),
    "chain4": RoleGraph(
        {"reader": (), "planner": ("reader",), "worker": ("planner",), "writer": ("worker",)},
        {
            "reader": "Say what is given and what is asked for.",
            "planner": "Say which steps lead from what is given to what is asked for.",
            "worker": "Carry out the steps.",
            "writer": "Check the work and give the answer.",
        },
    ),
}
