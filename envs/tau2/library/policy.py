"""The desk's rules: as the agent reads them, and as a function of a call. No tool enforces them."""

from __future__ import annotations

from credit_gym.envs.tau2.actions import ToolCall
from credit_gym.envs.tau2.database import Database, Row
from credit_gym.envs.tau2.library.generate import TODAY

MOST_RENEWALS = 2
MOST_OWED = 10.0
MOST_WAIVED = 5.0
MOST_HOLDS = {"standard": 3, "plus": 6}

POLICY = f"""# The library desk

Today is {TODAY}. You serve one member a conversation.

- Identify the member first, by email, or by card number and last name. Never show or change another member's account.
- Do what is asked, one request at a time. Before every change say exactly what you would do, with its ids, and wait for
  an explicit yes.
- Afterwards tell the member the result: the new due date, the room, what is owed.
- Refuse what these rules forbid, and say why. Do not offer a way around them.
- What the desk has no tool for (complaints, donations, new purchases, lost property) is for a colleague: hand the
  member over with transfer_to_human_agents, and then tell them so.

## Loans
A loan may be renewed at most {MOST_RENEWALS} times, never while another member waits for the title, and only for a
member whose card is valid and who owes no more than {MOST_OWED:.2f}. A lost title is charged at its price.

## Holds
A standard member may have {MOST_HOLDS["standard"]} holds, a plus member {MOST_HOLDS["plus"]}; the card must be valid.
Holds can be cancelled, or moved to another branch (Harbour, Mill Lane, Old Town), at any time.

## Money
Payments are by card or in cash. A fine may be waived for plus members only, once a year, up to {MOST_WAIVED:.2f}, and
only whole.

## Rooms
A room is booked for two hours, for members with a valid card, one booking a member and day. Give them the smallest free
room that is large enough. A booking can be cancelled until the day before it.
"""


def breach(database: Database, call: ToolCall, identified: str) -> str | None:
    """Return the rule that a change would break, None if it breaks none.

    Args:
        database: as it is before the change.
        call: one that the tool has accepted.
        identified: the member who was identified last, empty for nobody.
    """
    if identified and _owner(database, call) not in (identified, None):
        return "it is another member's account"
    rule = _RULES.get(call.name)
    return None if rule is None else rule(database, call)


def _owner(database: Database, call: ToolCall) -> str | None:
    """The member whose account a call is about."""
    for argument, table in (("loan_id", "loans"), ("hold_id", "holds"), ("booking_id", "bookings")):
        if argument in call.arguments:
            return str(_get(database, table, call.arguments[argument])["member_id"])
    owner = call.arguments.get("member_id")
    return None if owner is None else str(owner)


def _renew(database: Database, call: ToolCall) -> str | None:
    loan = _get(database, "loans", call.arguments["loan_id"])
    member = _get(database, "members", loan["member_id"])
    if loan["renewals"] >= MOST_RENEWALS:
        return "the loan was renewed twice already"
    if any(
        row["title_id"] == loan["title_id"] and row["status"] == "waiting" and row["member_id"] != loan["member_id"]
        for _, row in database.rows("holds")
    ):
        return "another member is waiting for the title"
    if member["owes"] > MOST_OWED:
        return f"more than {MOST_OWED:.2f} is owed"
    return _expired(member)


def _place_hold(database: Database, call: ToolCall) -> str | None:
    member = _get(database, "members", call.arguments["member_id"])
    if len(member["holds"]) >= MOST_HOLDS[member["kind"]]:
        return "there are as many holds as the membership allows"
    return _expired(member)


def _waive(database: Database, call: ToolCall) -> str | None:
    member = _get(database, "members", call.arguments["member_id"])
    if member["kind"] != "plus":
        return "fines are waived for plus members only"
    if member["waived_this_year"]:
        return "a fine was waived this year already"
    if member["owes"] > MOST_WAIVED or call.arguments["amount"] != member["owes"]:
        return f"a fine is waived whole and up to {MOST_WAIVED:.2f}"
    return None


def _book(database: Database, call: ToolCall) -> str | None:
    member = _get(database, "members", call.arguments["member_id"])
    day = call.arguments["day"]
    bookings = [_get(database, "bookings", key) for key in member["bookings"]]
    if any(row["day"] == day and row["status"] == "booked" for row in bookings):
        return "there is a booking on that day already"
    return _expired(member)


def _cancel_booking(database: Database, call: ToolCall) -> str | None:
    booking = _get(database, "bookings", call.arguments["booking_id"])
    return "bookings can be cancelled until the day before" if booking["day"] <= str(TODAY) else None


def _expired(member: Row) -> str | None:
    return "the card has expired" if member["expires"] < str(TODAY) else None


def _get(database: Database, table: str, key: str) -> Row:
    row = database.get(table, key)
    assert row is not None, "the tool has found it"
    return row


_RULES = {
    "renew_loan": _renew,
    "place_hold": _place_hold,
    "waive_fine": _waive,
    "book_room": _book,
    "cancel_booking": _cancel_booking,
}
