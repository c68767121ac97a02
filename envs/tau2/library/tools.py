"""What the desk can do. A tool checks that ids exist and that a change is possible, not that the policy allows it."""

# ruff: noqa: D417 - the first argument of every tool is the draft it works on; the rest is what an agent reads

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Literal

from credit_gym.envs.tau2.arithmetic import calculate
from credit_gym.envs.tau2.database import Draft, Row
from credit_gym.envs.tau2.lookup import find_row
from credit_gym.envs.tau2.toolkit import Refused, Toolkit

TOOLS = Toolkit()
IDENTIFY = frozenset(("find_member_by_email", "find_member_by_card"))
RENEWAL_DAYS = 21

Branch = Literal["Harbour", "Mill Lane", "Old Town"]
Slot = Literal["09:00", "11:00", "14:00", "16:00"]


@TOOLS.read
def find_member_by_email(db: Draft, email: str) -> str:
    """Find the id of a member by email.

    Args:
        email: The email of the member.
    """
    wanted = email.strip().lower()
    return _member_where(db, lambda row: row["email"] == wanted)


@TOOLS.read
def find_member_by_card(db: Draft, card: str, last_name: str) -> str:
    """Find the id of a member by card number and last name.

    Args:
        card: The card number, such as 'C-12345'.
        last_name: The last name of the member.
    """
    wanted = (card.strip().upper(), last_name.strip().lower())
    return _member_where(db, lambda row: (row["card"], row["last_name"].lower()) == wanted)


@TOOLS.read
def get_member(db: Draft, member_id: str) -> Row:
    """Get a member's account: loans, holds, bookings, what is owed.

    Args:
        member_id: The member, such as 'M001'.
    """
    return _row(db, "members", member_id)


@TOOLS.read
def get_loan(db: Draft, loan_id: str) -> Row:
    """Get a loan: the title, when it is due, how often it was renewed.

    Args:
        loan_id: The loan, such as 'L001'.
    """
    return _row(db, "loans", loan_id)


@TOOLS.read
def get_hold(db: Draft, hold_id: str) -> Row:
    """Get a hold: the title, and the branch where it will be picked up.

    Args:
        hold_id: The hold, such as 'H001'.
    """
    return _row(db, "holds", hold_id)


@TOOLS.read
def get_booking(db: Draft, booking_id: str) -> Row:
    """Get the booking of a room.

    Args:
        booking_id: The booking, such as 'B001'.
    """
    return _row(db, "bookings", booking_id)


@TOOLS.read
def find_titles(db: Draft, words: str) -> Sequence[Row]:
    """Find titles by words of their name.

    Args:
        words: Words of the name, such as 'quiet island'.
    """
    wanted = words.lower().split()
    if not wanted:
        raise Refused("Say a word of the title.")
    return [
        {"title_id": key, "title": row["title"], "author": row["author"]}
        for key, row in db.rows("titles")
        if all(word in row["title"].lower() for word in wanted)
    ][:10]


@TOOLS.read
def get_title(db: Draft, title_id: str) -> Row:
    """Get a title: its price, its copies, and how many members are waiting for it.

    Args:
        title_id: The title, such as 'T001'.
    """
    waiting = sum(row["title_id"] == title_id and row["status"] == "waiting" for _, row in db.rows("holds"))
    return {**_row(db, "titles", title_id), "waiting": waiting}


@TOOLS.read
def find_rooms(db: Draft, day: str, slot: Slot, seats: int) -> Sequence[Row]:
    """Find the rooms that are free at a time and have enough seats, the smallest first.

    Args:
        day: The day, such as '2031-03-05'.
        slot: When the two hours begin.
        seats: How many people must fit.
    """
    taken = _taken(db, day, slot)
    return [
        {"room_id": key, "seats": row["seats"], "day": day, "slot": slot}
        for key, row in db.rows("rooms")
        if row["seats"] >= seats and key not in taken
    ]


@TOOLS.write
def renew_loan(db: Draft, loan_id: str) -> Row:
    """Renew a loan: it is due three weeks later.

    Args:
        loan_id: The loan, such as 'L001'.
    """
    loan = _open_loan(db, loan_id)
    due = date.fromisoformat(loan["due"]) + timedelta(days=RENEWAL_DAYS)
    return db.put("loans", loan_id, {**loan, "due": str(due), "renewals": loan["renewals"] + 1})


@TOOLS.write
def report_lost(db: Draft, loan_id: str) -> Row:
    """Record a loan as lost and charge the price of the title; shows the member's account.

    Args:
        loan_id: The loan, such as 'L001'.
    """
    loan = _open_loan(db, loan_id)
    member = _row(db, "members", loan["member_id"])
    price = _row(db, "titles", loan["title_id"])["price"]
    db.put("loans", loan_id, {**loan, "status": "lost"})
    return db.put("members", member["member_id"], {**member, "owes": round(member["owes"] + price, 2)})


@TOOLS.write
def place_hold(db: Draft, member_id: str, title_id: str, branch: Branch) -> Row:
    """Place a hold: the member gets the title as soon as a copy is free.

    Args:
        member_id: The member, such as 'M001'.
        title_id: The title, such as 'T001'.
        branch: Where it will be picked up.
    """
    member, title = _row(db, "members", member_id), _row(db, "titles", title_id)
    if any(_row(db, "holds", key)["title_id"] == title_id for key in member["holds"]):
        raise Refused("The member already has a hold on this title.")
    hold_id = f"H{sum(1 for _ in db.rows('holds')) + 1:03d}"
    db.put("members", member_id, {**member, "holds": [*member["holds"], hold_id]})
    hold = {"hold_id": hold_id, "member_id": member_id, "title_id": title_id, "title": title["title"]}
    return db.put("holds", hold_id, {**hold, "branch": branch, "status": "waiting"})


@TOOLS.write
def cancel_hold(db: Draft, hold_id: str) -> Row:
    """Cancel a hold.

    Args:
        hold_id: The hold, such as 'H001'.
    """
    hold = _open_hold(db, hold_id)
    member = _row(db, "members", hold["member_id"])
    left = [key for key in member["holds"] if key != hold_id]
    db.put("members", member["member_id"], {**member, "holds": left})
    return db.put("holds", hold_id, {**hold, "status": "cancelled"})


@TOOLS.write
def move_hold(db: Draft, hold_id: str, branch: Branch) -> Row:
    """Change the branch where a hold will be picked up.

    Args:
        hold_id: The hold, such as 'H001'.
        branch: The new branch.
    """
    return db.put("holds", hold_id, {**_open_hold(db, hold_id), "branch": branch})


@TOOLS.write
def take_payment(db: Draft, member_id: str, amount: float, method: Literal["card", "cash"]) -> Row:
    """Take a payment of what a member owes; shows the member's account.

    Args:
        member_id: The member, such as 'M001'.
        amount: How much is paid.
        method: How it is paid.
    """
    return _reduce(db, member_id, amount, {})


@TOOLS.write
def waive_fine(db: Draft, member_id: str, amount: float) -> Row:
    """Let a member off some of what is owed; shows the member's account.

    Args:
        member_id: The member, such as 'M001'.
        amount: How much is waived.
    """
    return _reduce(db, member_id, amount, {"waived_this_year": True})


@TOOLS.write
def change_email(db: Draft, member_id: str, email: str) -> Row:
    """Change the email of a member.

    Args:
        member_id: The member, such as 'M001'.
        email: The new email.
    """
    if len(email) > 100 or email.count("@") != 1:
        raise Refused("This is not an email.")
    return db.put("members", member_id, {**_row(db, "members", member_id), "email": email.strip().lower()})


@TOOLS.write
def book_room(db: Draft, member_id: str, room_id: str, day: str, slot: Slot) -> Row:
    """Book a room for two hours.

    Args:
        member_id: The member, such as 'M001'.
        room_id: The room, such as 'R1'.
        day: The day, such as '2031-03-05'.
        slot: When the two hours begin.
    """
    member = _row(db, "members", member_id)
    _row(db, "rooms", room_id)
    if not _is_day(day):
        raise Refused("The day must be written like 2031-03-05.")
    if room_id in _taken(db, day, slot):
        raise Refused("The room is taken at this time.")
    booking_id = f"B{sum(1 for _ in db.rows('bookings')) + 1:03d}"
    db.put("members", member_id, {**member, "bookings": [*member["bookings"], booking_id]})
    booking = {"booking_id": booking_id, "member_id": member_id, "room_id": room_id, "day": day, "slot": slot}
    return db.put("bookings", booking_id, {**booking, "status": "booked"})


@TOOLS.write
def cancel_booking(db: Draft, booking_id: str) -> Row:
    """Cancel the booking of a room.

    Args:
        booking_id: The booking, such as 'B001'.
    """
    booking = _row(db, "bookings", booking_id)
    if booking["status"] != "booked":
        raise Refused("The booking is cancelled already.")
    return db.put("bookings", booking_id, {**booking, "status": "cancelled"})


TOOLS.generic(calculate)


@TOOLS.generic
def transfer_to_human_agents(db: Draft, summary: str) -> str:
    """Hand the customer over to a colleague, when the desk cannot do what they need.

    Args:
        summary: What the customer wanted.
    """
    return "Transfer successful"


def _row(db: Draft, table: str, key: str) -> Row:
    return find_row(db, table, key, f"There is no {table[:-1]} {key[:20]!r}.")


def _open_loan(db: Draft, loan_id: str) -> Row:
    loan = _row(db, "loans", loan_id)
    if loan["status"] != "on loan":
        raise Refused("The loan is closed.")
    return loan


def _open_hold(db: Draft, hold_id: str) -> Row:
    hold = _row(db, "holds", hold_id)
    if hold["status"] != "waiting":
        raise Refused("The hold is closed.")
    return hold


def _member_where(db: Draft, test: Callable[[Row], bool]) -> str:
    for key, row in db.rows("members"):
        if test(row):
            return key
    raise Refused("No member was found.")


def _taken(db: Draft, day: str, slot: str) -> set[str]:
    return {
        row["room_id"]
        for _, row in db.rows("bookings")
        if row["day"] == day and row["slot"] == slot and row["status"] == "booked"
    }


def _reduce(db: Draft, member_id: str, amount: float, changes: Row) -> Row:
    member = _row(db, "members", member_id)
    if not 0 < amount <= member["owes"]:
        raise Refused(f"The amount must be above 0 and not above the {member['owes']} that are owed.")
    return db.put("members", member_id, {**member, "owes": round(member["owes"] - amount, 2), **changes})


def _is_day(text: str) -> bool:
    try:
        return str(date.fromisoformat(text)) == text
    except ValueError:
        return False
