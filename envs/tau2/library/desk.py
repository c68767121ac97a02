"""What an agent at the desk could sensibly do next, and what an expert would do: for tests, baselines and credit."""

from __future__ import annotations

import re
from collections.abc import Sequence

from credit_gym.envs.remembering import remember_short
from credit_gym.envs.tau2.actions import DONE, Message, ToolCall, write_function
from credit_gym.envs.tau2.library.customer import Mood
from credit_gym.envs.tau2.library.generate import BRANCHES
from credit_gym.envs.tau2.library.requests import HAND_OVER, Request, Script

ASK_WHO = "May I have your email, or your card number and last name?"
ASK_DETAILS = "Could you tell me the details: what exactly, where, and when?"
NOT_FOUND = "I could not find an account like that; it was not found."
REFUSE = "I am sorry, that is not possible under our rules."
HANDED_OVER = "You are being handed over to a colleague."

_EMAIL = r"(?<![\w.])[\w.]++@[\w.]+\w"
_SEEN = re.compile(
    r"\b(?P<loan>L\d{3})\b|\b(?P<hold>H\d{3})\b|\b(?P<member>M\d{3})\b|\b(?P<title>T\d{3})\b|\b(?P<booking>B\d{3})\b"
    rf"|(?P<email>{_EMAIL})|(?P<card>C-\d{{5}}), last name (?P<last>\w+)"
    r"|\"owes\": (?P<owes>\d{1,9}\.\d{1,9})|'(?P<words>The [\w ]+)'"
    r"|(?<!\d)(?P<seats>\d{1,4}) people on (?P<day>\d{4}-\d\d-\d\d) at (?P<slot>\d\d:\d\d)"
    r"|\"room_id\": \"(?P<room>R\d)\", \"seats\": \d+, \"day\": \"(?P<on>[\d-]+)\", \"slot\": \"(?P<at>[\d:]+)\""
)
_LIMIT = 64  # actions on offer beside the fixed ones


def propose(call: str) -> str:
    """Return the question whether a change, written as a call, shall be made."""
    return f"I would do this: {call}. Shall I go ahead (yes/no)?"


def report(result: str) -> str:
    """Return the message that tells a customer what a tool has answered."""
    return f"Done; this is what I have: {result} Is there anything else?"


@remember_short(1 << 9, 2_000)
def offers(text: str, member: str) -> tuple[str, ...]:
    """Return the calls, and questions about calls, that the ids in a new message suggest.

    Args:
        text: what the customer or a tool has said.
        member: the member who was identified last, empty for nobody.
    """
    found: dict[str, None] = {}
    for match in _SEEN.finditer(text):
        kind = match.lastgroup or ""
        reads, writes = _OFFERS[kind](match, member)
        for read in reads:
            found[write_function(read)] = None
        for write in writes:
            call = write_function(write)
            found[propose(call)] = found[call] = None
    return tuple(found)


def admissible(suggested: Sequence[str], last_result: str) -> list[str]:
    """Return the actions on offer: fixed sentences, the last tool's answer, and the newest suggestions."""
    said = [ASK_WHO, ASK_DETAILS, NOT_FOUND, REFUSE, HANDED_OVER, _TRANSFER]
    if last_result:
        said.append(report(last_result))
    return [*said, *suggested[-_LIMIT:], DONE]


def expert(
    script: Script,
    mood: Mood,
    *,
    identified: str,
    confirmed: bool,
    made: Sequence[ToolCall],
    last: Message,
    last_result: str,
    told: frozenset[str],
) -> str:
    """Return what a clerk who knows the member's mind and the rules does next, without breaking any.

    Args:
        script: the member and the requests.
        mood: the member's.
        identified: the member identified last, empty for nobody.
        confirmed: whether the member has said yes since the last change.
        made: every call so far.
        last: the last message of the conversation.
        last_result: the last answer of a tool.
        told: what the member was told of what they must be.
    """
    request = script.requests[mood.request]
    if identified != script.member["member_id"]:
        return _find_out_who(script, mood, last)
    if request.detail and not mood.detailed:
        return ASK_DETAILS
    for call in request.calls:
        if call not in made:
            text = write_function(call)
            if call is request.calls[-1] and request.verdict == "do" and not confirmed:
                return propose(text)
            return text
    return _conclude(request, last_result, told)


def _find_out_who(script: Script, mood: Mood, last: Message) -> str:
    if not mood.named:
        return ASK_WHO
    if last.role == "tool" and last.error:
        return NOT_FOUND
    member = script.member
    if mood.shy:
        return _by_card(member["card"], member["last_name"])
    said = re.search(_EMAIL, last.content or "")
    return write_function(ToolCall("find_member_by_email", {"email": said[0] if said else member["email"]}))


def _conclude(request: Request, last_result: str, told: frozenset[str]) -> str:
    if request.verdict == "refuse":
        return REFUSE
    if request.verdict == "transfer":
        return HANDED_OVER
    if request.show is not None and any(info not in last_result for info in request.infos if info not in told):
        return write_function(request.show)
    return report(last_result)


def _by_card(card: str, last_name: str) -> str:
    return write_function(ToolCall("find_member_by_card", {"card": card, "last_name": last_name}))


_Suggested = tuple[Sequence[ToolCall], Sequence[ToolCall]]  # reads, writes


def _loan(match: re.Match[str], member: str) -> _Suggested:
    key = {"loan_id": match["loan"]}
    return (ToolCall("get_loan", key),), (ToolCall("renew_loan", key), ToolCall("report_lost", key))


def _hold(match: re.Match[str], member: str) -> _Suggested:
    key = {"hold_id": match["hold"]}
    moves = [ToolCall("move_hold", {**key, "branch": branch}) for branch in BRANCHES]
    return (ToolCall("get_hold", key),), (ToolCall("cancel_hold", key), *moves)


def _member(match: re.Match[str], member: str) -> _Suggested:
    return (ToolCall("get_member", {"member_id": match["member"]}),), ()


def _title(match: re.Match[str], member: str) -> _Suggested:
    key = {"title_id": match["title"]}
    holds = [ToolCall("place_hold", {"member_id": member, **key, "branch": branch}) for branch in BRANCHES]
    return (ToolCall("get_title", key),), holds if member else ()


def _booking(match: re.Match[str], member: str) -> _Suggested:
    key = {"booking_id": match["booking"]}
    return (ToolCall("get_booking", key),), (ToolCall("cancel_booking", key),)


def _email(match: re.Match[str], member: str) -> _Suggested:
    email = {"email": match["email"]}
    change = (ToolCall("change_email", {"member_id": member, **email}),) if member else ()
    return (ToolCall("find_member_by_email", email),), change


def _card(match: re.Match[str], member: str) -> _Suggested:
    return (ToolCall("find_member_by_card", {"card": match["card"], "last_name": match["last"]}),), ()


def _owes(match: re.Match[str], member: str) -> _Suggested:
    amount = float(match["owes"])
    if not member or not amount:
        return (), ()
    account = {"member_id": member, "amount": amount}
    payments = [ToolCall("take_payment", {**account, "method": method}) for method in ("card", "cash")]
    return (), (*payments, ToolCall("waive_fine", account))


def _words(match: re.Match[str], member: str) -> _Suggested:
    return (ToolCall("find_titles", {"words": match["words"]}),), ()


def _time(match: re.Match[str], member: str) -> _Suggested:
    wanted = {"day": match["day"], "slot": match["slot"], "seats": int(match["seats"])}
    return (ToolCall("find_rooms", wanted),), ()


def _room(match: re.Match[str], member: str) -> _Suggested:
    place = {"room_id": match["room"], "day": match["on"], "slot": match["at"]}
    return (), (ToolCall("book_room", {"member_id": member, **place}),) if member else ()


_OFFERS = {
    "loan": _loan,
    "hold": _hold,
    "member": _member,
    "title": _title,
    "booking": _booking,
    "email": _email,
    "last": _card,
    "owes": _owes,
    "words": _words,
    "slot": _time,
    "at": _room,
}
_TRANSFER = write_function(HAND_OVER)
