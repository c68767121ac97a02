"""The member on the other side of the desk: a state machine with a character, that reads what the agent says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from credit_gym.envs.tau2.actions import OUT_OF_SCOPE, STOP, TRANSFER, Message
from credit_gym.envs.tau2.database import Database, Row
from credit_gym.envs.tau2.library.requests import Request, Script
from credit_gym.envs.tau2.tasks import Task
from credit_gym.envs.tau2.users import Reply, was_transferred

_ATTENTION = 10_000  # characters of a message that a member listens to
_WHO = re.compile(r"\b(e-?mail|card number|your card|identif\w+|who am i|your name|verify)\b")
_NOT_FOUND = re.compile(r"\b(not find|no member|not found|no account|couldn't find|unknown)\b")
_CONFIRM = re.compile(r"yes/no|\b(confirm|go ahead|shall i|should i|proceed|is that (right|correct|ok)|agree)\b")
_WHICH = re.compile(r"\b(which|when|where|what|how many|details?|branch|method|room|day|new email)\b")
_NO = re.compile(r"\b(cannot|can't|can not|unable|not possible|not allowed|sorry|refuse|against)\b")


class Mood(NamedTuple):
    """What a member remembers, and how they are.

    Attributes:
        request: the request that is being talked about.
        patience: unhelpful answers that will still be borne.
        style: which phrasing this member prefers.
        shy: does not give the email, only the card.
        typo: will give the email with a slip the first time.
        greeted: has opened the conversation.
        named: has said who they are.
        detailed: has told the details of the request.
        doubted: has questioned a refusal of the request.
    """

    request: int
    patience: int
    style: int
    shy: bool
    typo: bool
    greeted: bool = False
    named: bool = False
    detailed: bool = False
    doubted: bool = False


class Member:
    """The scripted customer of the library.

    It opens with its first request, says who it is when asked (some members give only their card, some mistype their
    email and correct it when it is not found), tells details when asked, says yes to a proposal that names what it
    asked for and no to any other, accepts a refusal where the policy refuses and doubts it once where it does not,
    and moves on when the database and the agent's words have what it wanted. It ends the conversation when all
    is settled, when it was handed over, or when its patience is at an end. It hears the beginning of a very long
    message.
    """

    def begin(self, task: Task, bits: int) -> Mood:
        """Return a character drawn from 64 random bits."""
        return Mood(
            request=0,
            patience=4 + bits % 4,
            style=(bits >> 8) % len(_GREETINGS),
            shy=(bits >> 16) % 5 == 0,
            typo=(bits >> 24) % 5 == 0,
        )

    def reply(self, task: Task, memory: Mood, messages: Sequence[Message], database: Database, bits: int) -> Reply:
        """Answer what the agent said last."""
        text, after = _answer(task.script, memory, messages, database, bits)
        return Reply(text, None, after)


def typo_of(member: Row) -> str:
    """Return the email of a member as a hasty one would type it."""
    email: str = member["email"]
    return email[1] + email[0] + email[2:]


def is_settled(request: Request, messages: Sequence[Message], database: Database) -> bool:
    """Whether a request is done as far as the member can see: the change is made, and the result was told."""
    if request.verdict in ("refuse", "transfer"):
        return False  # only words can settle it
    made = all((database.get(table, key) or {}).get(field) == value for table, key, field, value in request.effect)
    return made and all(
        any(message.role == "assistant" and info in (message.content or "") for message in messages)
        for info in request.infos
    )


def _answer(script: Script, mood: Mood, messages: Sequence[Message], database: Database, bits: int) -> tuple[str, Mood]:
    request = script.requests[mood.request]
    if not mood.greeted:
        return f"{_GREETINGS[mood.style]} {request.words}", mood._replace(greeted=True)
    if was_transferred(messages):
        return TRANSFER, mood
    heard = (messages[-1].content or "")[:_ATTENTION]
    low = heard.lower()
    if is_settled(request, messages, database):
        return _move_on(script, mood, bits)
    if mood.named and mood.typo and _NOT_FOUND.search(low):
        return f"Oh, I mistyped. It is {script.member['email']}.", mood._replace(typo=False)
    if _CONFIRM.search(low):
        return _judge_proposal(request, mood, heard, bits)
    if _NO.search(low):
        return _take_refusal(script, request, mood, bits)
    if _WHO.search(low) and (not mood.named or "your" in low):
        return _identity(script.member, mood), mood._replace(named=True)
    if request.detail and _WHICH.search(low):
        return request.detail, mood._replace(detailed=True)
    return _impatient(f"{_pick(_RESTATED, bits)} {request.words}", mood)


def _identity(member: Row, mood: Mood) -> str:
    if mood.shy:
        return f"I would rather not give my email. My card number is {member['card']}, last name {member['last_name']}."
    return f"My email is {typo_of(member) if mood.typo else member['email']}."


def _judge_proposal(request: Request, mood: Mood, heard: str, bits: int) -> tuple[str, Mood]:
    if request.verdict in ("do", "refuse") and all(any(n in heard for n in names) for names in request.mentions):
        return _pick(_AGREED, bits), mood
    return _impatient(f"{_pick(_DISAGREED, bits)} {request.words}", mood)


def _take_refusal(script: Script, request: Request, mood: Mood, bits: int) -> tuple[str, Mood]:
    if request.verdict == "refuse" or mood.doubted:
        return _move_on(script, mood, bits)
    return _impatient(_pick(_DOUBTS, bits), mood._replace(doubted=True))


def _move_on(script: Script, mood: Mood, bits: int) -> tuple[str, Mood]:
    following = mood.request + 1
    if following == len(script.requests):
        return f"{_pick(_THANKS, bits)} {STOP}", mood
    words = f"{_pick(_NEXT, bits)} {script.requests[following].words}"
    return words, mood._replace(request=following, detailed=False, doubted=False)


def _impatient(text: str, mood: Mood) -> tuple[str, Mood]:
    if mood.patience == 0:
        return f"This leads nowhere. {OUT_OF_SCOPE}", mood
    return text, mood._replace(patience=mood.patience - 1)


def _pick(phrases: Sequence[str], bits: int) -> str:
    return phrases[bits % len(phrases)]


_GREETINGS = ("Hello.", "Good morning!", "Hi there,", "Excuse me.", "Hey,", "Good day. I hope you can help me.")
_RESTATED = ("As I said:", "I do not follow.", "Let me say it again.", "Hm.")
_AGREED = ("Yes, please go ahead.", "Yes.", "Yes, that is right.", "Yes, do that.")
_DISAGREED = ("No, that is not what I asked.", "No.", "No, wait.")
_DOUBTS = ("Are you sure? I think that should be possible.", "Really? Please look again.")
_NEXT = ("Good. There is something else.", "All right. One more thing:", "I see. Then another question.")
_THANKS = ("Thank you, that is all.", "Thanks, bye.", "Great, that was everything.")
