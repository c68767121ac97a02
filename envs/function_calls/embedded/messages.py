"""Messages between the people of a company."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from credit_gym.envs.function_calls.embedded import words
from credit_gym.envs.function_calls.embedded.back_end import (
    Answer,
    BackEnd,
    Table,
    changes,
    kept,
    put,
    reads,
    row_of,
    shown,
    without,
)
from credit_gym.envs.tool_arguments import Refused


class Messages(BackEnd):
    """A messenger whose owner may write to contacts.

    Attributes:
        owner: the person who uses it.
        people: id -> ``name`` and ``team``.
        contacts: ids of those whom the owner may write to, sorted.
        messages: id -> ``sender``, ``receiver`` and ``text``.
        next_message: the number of the next message.
    """

    owner: str
    people: Table
    contacts: list[str]
    messages: Table
    next_message: int

    def load(self, scenario: Mapping[str, Any], long_context: bool = False) -> None:
        """See :class:`BackEnd`."""
        self.owner = scenario.get("owner", "P100")
        self.people = {**(_crowd() if long_context else {}), **scenario.get("people", {})}
        self.contacts = sorted(scenario.get("contacts", ()))
        written = scenario.get("messages", {})
        talked = {row["sender"] for row in written.values()}
        self.messages = {**(_chatter(sorted(talked), self.owner) if long_context else {}), **written}
        self.next_message = scenario.get("next_message", 1)

    @reads
    def find_people(self, name: str) -> Answer:
        """Find everybody of a name.

        Args:
            name: The full name.
        """
        wanted = name.lower()
        return {
            "people": [{"person_id": key, **row} for key, row in self.people.items() if row["name"].lower() == wanted]
        }

    @reads
    def list_contacts(self) -> Answer:
        """List your contacts."""
        return {"contacts": [{"person_id": key, **self.people[key]} for key in self.contacts]}

    @reads
    def read_messages(self, person_id: str) -> Answer:
        """Read the messages that you and a person have sent to each other, the oldest first.

        Args:
            person_id: The id of the person, as 'P123'.
        """
        row_of(self.people, person_id, "person")
        both = {person_id, self.owner}
        found = [{"message_id": int(key), **row} for key, row in self.messages.items()]
        return {"messages": [each for each in found if {each["sender"], each["receiver"]} == both]}

    @changes
    def add_contact(self, person_id: str) -> Answer:
        """Make a person a contact of yours; only contacts can be written to.

        Args:
            person_id: The id of the person, as 'P123'.
        """
        row_of(self.people, person_id, "person")
        if person_id in self.contacts or person_id == self.owner:
            raise Refused(f"{shown(person_id)} is a contact already, or yourself.")
        self.contacts = sorted([*self.contacts, person_id])
        return {"person_id": person_id}

    @changes
    def send_message(self, person_id: str, text: str) -> Answer:
        """Send a message to a contact.

        Args:
            person_id: The id of the receiver, as 'P123'.
            text: The message.
        """
        row_of(self.people, person_id, "person")
        if person_id not in self.contacts:
            raise Refused(f"{shown(person_id)} is no contact of yours; add the contact first.")
        sent = {"sender": self.owner, "receiver": person_id, "text": kept(text, "text of a message")}
        number = self.next_message
        self.messages, self.next_message = put(self.messages, number, sent), number + 1
        return {"message_id": number}

    @changes
    def delete_message(self, message_id: int) -> Answer:
        """Delete a message that you have sent.

        Args:
            message_id: The number of the message.
        """
        if row_of(self.messages, message_id, "message")["sender"] != self.owner:
            raise Refused(f"Message {message_id} is not yours to delete.")
        self.messages = without(self.messages, message_id)
        return {"deleted": message_id}


def _chatter(people: Sequence[str], owner: str) -> Table:
    """What people who have written have written before, and nobody asks for."""
    return {
        str(1 + 40 * place + n): {"sender": person, "receiver": owner, "text": f"Minutes of meeting {n} are filed."}
        for place, person in enumerate(people)
        for n in range(40)
    }


@cache
def _crowd() -> Table:
    """Colleagues whom nobody asks for."""
    names = [f"{one} {other}" for one in words.CROWD_FIRST for other in words.CROWD_LAST]
    teams = ("Archive", "Canteen", "Fleet", "Press")
    return {f"P{500 + n}": {"name": name, "team": teams[n % len(teams)]} for n, name in enumerate(names)}
