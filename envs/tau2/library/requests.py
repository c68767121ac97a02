"""What members want: each request knows its words, its answer under the policy, and the calls that settle it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from credit_gym.envs.tau2.actions import ToolCall
from credit_gym.envs.tau2.database import Database, Row
from credit_gym.envs.tau2.domain import Domain
from credit_gym.envs.tau2.library.generate import BRANCHES, SLOTS, TODAY, Dice
from credit_gym.envs.tau2.library.policy import MOST_OWED, breach
from credit_gym.envs.tau2.tasks import GoldAction, Task

SPLITS = {"train": range(120), "eval": range(10_000, 10_030), "test": range(20_000, 20_060)}
"""Seeds of the tasks of each split."""

HAND_OVER = ToolCall("transfer_to_human_agents", {"summary": "A request that the desk cannot serve."})


class Request(NamedTuple):
    """One thing that a member wants.

    Attributes:
        kind: ``renew``.
        verdict: ``do``, ``refuse``, ``answer`` or ``transfer``: what the policy says to it.
        words: the sentence that asks for it.
        detail: what is told only when asked, empty if there is no such thing.
        mentions: groups of names; a proposal is the right one if it has one name of each group.
        calls: the calls that settle it, reads first.
        show: a read whose answer has what must be told.
        infos: what must be told.
        effect: the fields that it changes: (table, id, field, value).
        reason: why it is refused.
    """

    kind: str
    verdict: str
    words: str
    detail: str
    mentions: tuple[tuple[str, ...], ...]
    calls: tuple[ToolCall, ...]
    show: ToolCall | None = None
    infos: tuple[str, ...] = ()
    effect: tuple[tuple[str, str, str, Any], ...] = ()
    reason: str = ""


class Script(NamedTuple):
    """A member and what they want, in order."""

    member: Row
    requests: tuple[Request, ...]


class _Plan(NamedTuple):
    """A request before it is judged and carried out."""

    words: str
    mentions: tuple[tuple[str, ...], ...] = ()
    detail: str = ""
    reads: tuple[ToolCall, ...] = ()
    write: ToolCall | None = None
    show: ToolCall | None = None
    info: Callable[[Database], str] | None = None


@lru_cache(maxsize=1024)
def make_task(domain: Domain, seed: int) -> Task:
    """Return the task of a seed: a member with one to three requests, and the solution that the policy allows."""
    dice = Dice(0x7A5C, seed)
    database = Database(domain.tables)
    member_id = f"M{1 + dice.below(len(domain.tables.rows['members'])):03d}"
    member = domain.tables.rows["members"][member_id]
    requests: list[Request] = []
    wanted = dice.pick((1, 1, 2, 2, 2, 3))
    kinds = dice.shuffled(list(_KINDS))
    if member["owes"] > MOST_OWED and dice.below(2):  # a debt that stands in the way is paid first
        kinds = ["pay", "renew", *(kind for kind in kinds if kind not in ("pay", "renew"))]
    for kind in kinds:
        plan = _KINDS[kind](dice, database, member_id)
        if plan is not None and len(requests) < wanted:
            request, database = _settled(domain, database, kind, plan)
            requests.append(request)
    if dice.below(6) == 0:
        words = dice.pick(_FOR_COLLEAGUES)
        requests[-1:] = [Request("colleague", "transfer", words, "", (), (HAND_OVER,))]
    identify = ToolCall("find_member_by_email", {"email": member["email"]})
    calls = [identify, *(call for request in requests for call in request.calls)]
    transfers = any(request.verdict == "transfer" for request in requests)
    if transfers:  # every action is compared, so only those that there is no other way for
        calls = [call for call in calls if domain.tools[call.name].kind != "read"]
    return Task(
        id=f"library-{seed}",
        instructions={
            "domain": "library",
            "reason_for_call": " Then: ".join(request.words for request in requests),
            "known_info": f"You are {member['first_name']} {member['last_name']}, your email is {member['email']}, "
            f"and your card number is {member['card']}. "
            + " ".join(request.detail for request in requests if request.detail),
            "unknown_info": "You know no ids of loans, holds or bookings.",
            "task_instructions": "Ask for one thing at a time. Accept a refusal that gives a reason.",
        },
        ticket=f"Member with email {member['email']}. "
        + " ".join(f"{request.words} {request.detail}".strip() for request in requests),
        actions=tuple(
            GoldAction(call, f"{seed}_{number}", () if call.name == "transfer_to_human_agents" else None)
            for number, call in enumerate(calls)
        ),
        communicate=tuple(dict.fromkeys(info for request in requests for info in request.infos)),
        basis=("DB", "COMMUNICATE", "ACTION") if transfers else ("DB", "COMMUNICATE"),
        script=Script(member, tuple(requests)),
    )


def _settled(domain: Domain, database: Database, kind: str, plan: _Plan) -> tuple[Request, Database]:
    """The request with its verdict, and the database after it."""
    base = Request(kind, "answer", plan.words, plan.detail, plan.mentions, plan.reads, plan.show)
    if plan.write is None:
        return base._replace(infos=() if plan.info is None else (plan.info(database),)), database
    reason = breach(database, plan.write, "")
    if reason is not None:
        return base._replace(verdict="refuse", reason=reason), database
    result = domain.call(database, plan.write)
    assert not result.error, f"{plan.write} was planned but is refused: {result.content}"
    after = result.database
    effect = tuple(
        (table, key, field, value)
        for (table, key), row in after.changed.items()
        if row is not None
        for field, value in row.items()
        if (database.get(table, key) or {}).get(field) != value
    )
    infos = () if plan.info is None else (plan.info(after),)
    done = base._replace(verdict="do", calls=(*plan.reads, plan.write), infos=infos, effect=effect)
    return done, after


def _renew(dice: Dice, database: Database, member_id: str) -> _Plan | None:
    loan = _own(dice, database, member_id, "loans", "on loan")
    if loan is None:
        return None
    key = loan["loan_id"]
    look = ToolCall("get_loan", {"loan_id": key})
    words = dice.pick(("I would like to renew {}.", "Can I keep {} for longer?", "Please extend my loan of {}."))
    return _Plan(
        words.format(_quoted(loan)),
        ((key, loan["title"]),),
        reads=(_account(member_id), look, ToolCall("get_title", {"title_id": loan["title_id"]})),
        write=ToolCall("renew_loan", {"loan_id": key}),
        show=look,
        info=lambda after: str(_row(after, "loans", key)["due"]),
    )


def _lost(dice: Dice, database: Database, member_id: str) -> _Plan | None:
    loan = _own(dice, database, member_id, "loans", "on loan")
    if loan is None:
        return None
    words = dice.pick(("I have lost {}.", "I am afraid I left {} on a train.", "My copy of {} is gone for good."))
    return _Plan(
        words.format(_quoted(loan)) + " What will I owe?",
        ((loan["loan_id"], loan["title"]),),
        reads=(_account(member_id), ToolCall("get_loan", {"loan_id": loan["loan_id"]})),
        write=ToolCall("report_lost", {"loan_id": loan["loan_id"]}),
        show=_account(member_id),
        info=lambda after: str(_row(after, "members", member_id)["owes"]),
    )


def _hold(dice: Dice, database: Database, member_id: str) -> _Plan | None:
    member = _row(database, "members", member_id)
    had = {_row(database, "holds", key)["title_id"] for key in member["holds"]}
    had |= {_row(database, "loans", key)["title_id"] for key in member["loans"]}
    title = dice.pick([row for key, row in database.rows("titles") if key not in had])
    branch = dice.pick(BRANCHES)
    words = dice.pick(("I want to read {}; please put me on the list.", "Could you reserve {} for me?"))
    return _Plan(
        words.format(_quoted(title)),
        ((title["title_id"], title["title"]), (branch,)),
        f"I would pick it up at {branch}.",
        (_account(member_id), ToolCall("find_titles", {"words": title["title"]})),
        ToolCall("place_hold", {"member_id": member_id, "title_id": title["title_id"], "branch": branch}),
    )


def _drop_hold(dice: Dice, database: Database, member_id: str) -> _Plan | None:
    hold = _own(dice, database, member_id, "holds", "waiting")
    if hold is None:
        return None
    words = dice.pick(("I no longer need {}; please cancel my hold.", "Take me off the list for {}."))
    key = hold["hold_id"]
    return _Plan(
        words.format(_quoted(hold)),
        ((key, hold["title"]),),
        reads=(_account(member_id), ToolCall("get_hold", {"hold_id": key})),
        write=ToolCall("cancel_hold", {"hold_id": key}),
    )


def _move_hold(dice: Dice, database: Database, member_id: str) -> _Plan | None:
    hold = _own(dice, database, member_id, "holds", "waiting")
    if hold is None:
        return None
    branch = dice.pick([name for name in BRANCHES if name != hold["branch"]])
    key = hold["hold_id"]
    return _Plan(
        f"I need to pick up {_quoted(hold)} at another branch.",
        ((key, hold["title"]), (branch,)),
        f"It should go to {branch}.",
        (_account(member_id), ToolCall("get_hold", {"hold_id": key})),
        ToolCall("move_hold", {"hold_id": key, "branch": branch}),
    )


def _pay(dice: Dice, database: Database, member_id: str) -> _Plan | None:
    owes = _row(database, "members", member_id)["owes"]
    if not owes:
        return None
    method = dice.pick(("card", "cash"))
    call = ToolCall("take_payment", {"member_id": member_id, "amount": owes, "method": method})
    return _Plan(
        dice.pick(("I want to pay everything I owe.", "Please let me settle my fines.")),
        ((str(owes),), (method,)),
        f"I pay {'by card' if method == 'card' else 'in cash'}, if you tell me what the method may be.",
        (_account(member_id),),
        call,
    )


def _waive(dice: Dice, database: Database, member_id: str) -> _Plan | None:
    owes = _row(database, "members", member_id)["owes"]
    if not owes:
        return None
    return _Plan(
        dice.pick(("I was ill when my fine came up. Could you waive it?", "Can you let me off my fines?")),
        ((str(owes),),),
        reads=(_account(member_id),),
        write=ToolCall("waive_fine", {"member_id": member_id, "amount": owes}),
    )


def _email(dice: Dice, database: Database, member_id: str) -> _Plan | None:
    member = _row(database, "members", member_id)
    email = f"{member['last_name']}.{100 + dice.below(900)}@mail.example".lower()
    return _Plan(
        "I have a new email.",
        ((email,),),
        f"My new email is {email}.",
        (),
        ToolCall("change_email", {"member_id": member_id, "email": email}),
    )


def _book(dice: Dice, database: Database, member_id: str) -> _Plan | None:
    day, slot, seats = str(TODAY + timedelta(days=1 + dice.below(6))), dice.pick(SLOTS), 1 + dice.below(8)
    taken = {
        row["room_id"]
        for _, row in database.rows("bookings")
        if (row["day"], row["slot"], row["status"]) == (day, slot, "booked")
    }
    free = [key for key, row in database.rows("rooms") if row["seats"] >= seats and key not in taken]
    if not free:
        return None
    search = ToolCall("find_rooms", {"day": day, "slot": slot, "seats": seats})
    return _Plan(
        "I need a study room.",
        ((free[0],), (day,), (slot,)),
        f"It is for {seats} people on {day} at {slot}.",
        (_account(member_id), search),
        ToolCall("book_room", {"member_id": member_id, "room_id": free[0], "day": day, "slot": slot}),
        show=ToolCall("get_booking", {"booking_id": f"B{sum(1 for _ in database.rows('bookings')) + 1:03d}"}),
        info=lambda after: free[0],
    )


def _drop_booking(dice: Dice, database: Database, member_id: str) -> _Plan | None:
    booking = _own(dice, database, member_id, "bookings", "booked")
    if booking is None:
        return None
    key = booking["booking_id"]
    return _Plan(
        f"Please cancel my room on {booking['day']}.",
        ((key, booking["day"]),),
        reads=(_account(member_id), ToolCall("get_booking", {"booking_id": key})),
        write=ToolCall("cancel_booking", {"booking_id": key}),
    )


def _ask_due(dice: Dice, database: Database, member_id: str) -> _Plan | None:
    loan = _own(dice, database, member_id, "loans", "on loan")
    if loan is None:
        return None
    look = ToolCall("get_loan", {"loan_id": loan["loan_id"]})
    words = dice.pick(("When do I have to bring back {}?", "Until when may I keep {}?")).format(_quoted(loan))
    return _Plan(words, reads=(_account(member_id), look), show=look, info=lambda after: str(loan["due"]))


def _ask_owed(dice: Dice, database: Database, member_id: str) -> _Plan | None:
    look = _account(member_id)
    if not _row(database, "members", member_id)["owes"]:
        return None
    words = dice.pick(("How much do I owe?", "Are there any fines on my account, and how much?"))
    return _Plan(words, reads=(look,), show=look, info=lambda after: str(_row(after, "members", member_id)["owes"]))


def _own(dice: Dice, database: Database, member_id: str, table: str, status: str) -> Row | None:
    """One of the member's open loans, holds or bookings."""
    rows = [_row(database, table, key) for key in _row(database, "members", member_id)[table]]
    open_rows = [row for row in rows if row["status"] == status]
    return dice.pick(open_rows) if open_rows else None


def _account(member_id: str) -> ToolCall:
    return ToolCall("get_member", {"member_id": member_id})


def _row(database: Database, table: str, key: str) -> Row:
    row = database.get(table, key)
    assert row is not None, f"{table} has no {key}"
    return row


def _quoted(row: Row) -> str:
    return f"'{row['title']}'"


_KINDS: dict[str, Callable[[Dice, Database, str], _Plan | None]] = {
    "renew": _renew,
    "lost": _lost,
    "hold": _hold,
    "drop_hold": _drop_hold,
    "move_hold": _move_hold,
    "pay": _pay,
    "waive": _waive,
    "email": _email,
    "book": _book,
    "drop_booking": _drop_booking,
    "ask_due": _ask_due,
    "ask_owed": _ask_owed,
}
_FOR_COLLEAGUES = (
    "I want to complain about the noise in the reading hall.",
    "I would like to donate three boxes of books.",
    "You should buy more books about beekeeping; how do I propose one?",
    "I left my umbrella in the reading hall yesterday.",
)
