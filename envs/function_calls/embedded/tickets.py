"""Tickets of a help desk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from credit_gym.envs.function_calls.embedded.back_end import (
    Answer,
    BackEnd,
    Row,
    Table,
    between,
    changes,
    kept,
    put,
    reads,
    row_of,
)
from credit_gym.envs.tool_arguments import Refused

_LONGEST_NAME = 100  # characters
_MOST_NOTES = 50


class Tickets(BackEnd):
    """A help desk. A closed ticket does not change before it is opened again.

    Attributes:
        tickets: number -> ``title``, ``customer``, ``priority`` (1 to 5, the most urgent), ``status``, ``assignee``,
            ``notes`` and ``resolution``.
        next_ticket: the number of the next ticket.
    """

    tickets: Table
    next_ticket: int

    def load(self, scenario: Mapping[str, Any], long_context: bool = False) -> None:
        """See :class:`BackEnd`."""
        filed = scenario.get("tickets", {})
        customers = sorted({row["customer"] for row in filed.values()})
        self.tickets = {**(_backlog(customers) if long_context else {}), **filed}
        self.next_ticket = scenario.get("next_ticket", 1)

    @reads
    def find_tickets(self, customer: str) -> Answer:
        """Find all tickets of a customer.

        Args:
            customer: The full name of the customer.
        """
        wanted = customer.lower()
        found = [
            {"ticket_id": int(key), "title": row["title"], "status": row["status"]}
            for key, row in self.tickets.items()
            if row["customer"].lower() == wanted
        ]
        return {"tickets": found}

    @reads
    def get_ticket(self, ticket_id: int) -> Answer:
        """Look at a ticket.

        Args:
            ticket_id: The number of the ticket.
        """
        return {"ticket_id": ticket_id, **row_of(self.tickets, ticket_id, "ticket")}

    @changes
    def open_ticket(self, title: str, customer: str, priority: int = 3) -> Answer:
        """Open a ticket.

        Args:
            title: What it is about.
            customer: The name of the customer.
            priority: From 1 to 5, the most urgent.
        """
        number = self.next_ticket
        ticket = {
            "title": kept(title, "title", _LONGEST_NAME),
            "customer": kept(customer, "customer", _LONGEST_NAME),
            "priority": between(priority, 1, 5, "priority"),
            "status": "open",
            "assignee": None,
            "notes": [],
            "resolution": None,
        }
        self.tickets, self.next_ticket = put(self.tickets, number, ticket), number + 1
        return {"ticket_id": number}

    @changes
    def set_ticket_priority(self, ticket_id: int, priority: int) -> Answer:
        """Change the priority of an open ticket.

        Args:
            ticket_id: The number of the ticket.
            priority: From 1 to 5, the most urgent.
        """
        return self._changed(ticket_id, priority=between(priority, 1, 5, "priority"))

    @changes
    def assign_ticket(self, ticket_id: int, assignee: str) -> Answer:
        """Give an open ticket to somebody.

        Args:
            ticket_id: The number of the ticket.
            assignee: The full name of who is to work on it.
        """
        return self._changed(ticket_id, assignee=kept(assignee, "assignee", _LONGEST_NAME))

    @changes
    def add_note(self, ticket_id: int, note: str) -> Answer:
        """Add a note to an open ticket.

        Args:
            ticket_id: The number of the ticket.
            note: What it says.
        """
        notes = row_of(self.tickets, ticket_id, "ticket")["notes"]
        if len(notes) >= _MOST_NOTES:
            raise Refused(f"Ticket {ticket_id} has {_MOST_NOTES} notes and takes no more.")
        return self._changed(ticket_id, notes=[*notes, kept(note, "note")])

    @changes
    def close_ticket(self, ticket_id: int, resolution: str) -> Answer:
        """Close an open ticket.

        Args:
            ticket_id: The number of the ticket.
            resolution: How it was resolved.
        """
        return self._changed(ticket_id, status="closed", resolution=kept(resolution, "resolution"))

    @changes
    def reopen_ticket(self, ticket_id: int) -> Answer:
        """Open a closed ticket again; its resolution is taken back.

        Args:
            ticket_id: The number of the ticket.
        """
        if row_of(self.tickets, ticket_id, "ticket")["status"] == "open":
            raise Refused(f"Ticket {ticket_id} is open.")
        return self._written(ticket_id, status="open", resolution=None)

    def _changed(self, ticket_id: int, **values: Any) -> Answer:
        if row_of(self.tickets, ticket_id, "ticket")["status"] == "closed":
            raise Refused(f"Ticket {ticket_id} is closed; open it again first.")
        return self._written(ticket_id, **values)

    def _written(self, ticket_id: int, **values: Any) -> Answer:
        ticket: Row = {**self.tickets[str(ticket_id)], **values}
        self.tickets = put(self.tickets, ticket_id, ticket)
        return {"ticket_id": ticket_id, **values}


def _backlog(customers: Sequence[str]) -> Table:
    """Old tickets that nobody asks for."""
    things = ("desk lamp", "door badge", "coffee grinder", "window blind", "standing desk", "wall clock", "ladder")
    faults = ("is loose", "was lost", "makes noise", "needs paint", "is too small", "has no manual")
    return {
        str(100 + n): {
            "title": f"The {things[n % 7]} {faults[n % 6]} ({n})",
            "customer": customer,
            "priority": 1,
            "status": "closed",
            "assignee": None,
            "notes": [],
            "resolution": "Done by the caretaker.",
        }
        for n, customer in enumerate([*customers, "Site office"] * 30)
    }
