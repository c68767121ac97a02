"""One conversation as it goes on: calls, the ends of turns, the published check after each, and what it is worth."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TypeAlias

from credit_gym.envs.function_calls.gold import Call
from credit_gym.envs.function_calls.plan import Offer, Plan
from credit_gym.envs.function_calls.progress import Way
from credit_gym.envs.function_calls.state import State
from credit_gym.envs.function_calls.world import Running

Event: TypeAlias = "tuple[Call, ...] | None"
"""Calls of one step; ``()`` for one that could not be read; None for the end of a turn."""

ALL_DONE, TOO_LONG = "user_stop", "max_steps"

RESULT = "tool: "
"""What each answer of a tool begins with."""

_NOT_YET = "Error during execution: The tool {!r} is not on offer."


class Conversation:
    """A task that is being played.

    Args:
        plan: the task.
        max_steps: steps of calls in a turn; by the published rule one more ends the conversation.
        withholds: whether a tool that is not on offer cannot be called; by the published rule it can.

    Attributes:
        turn: number of the turn.
        steps: steps of this turn so far.
        lost: whether a turn ended otherwise than it should: then the reward is 0 whatever follows.
        over: why the conversation has ended; empty while it goes on.
        made: bits: the gold calls of this turn that were made.
        history: all that was done.
        offer: the tools of this turn.
        refused: of the last step: whether it could not be read, or had a call that fits no tool on offer.
    """

    def __init__(self, plan: Plan, max_steps: int = 20, *, withholds: bool = True) -> None:
        self.plan = plan
        self.turn = self.steps = self.made = 0
        self.lost = self.refused = False
        self.over = ""
        self.history: list[Event] = []
        self._max_steps, self._withholds = max_steps, withholds
        self.offer = plan.offers[0]
        self._running = Running(plan.library, plan.task, plan.marks)
        self._states: dict[str, State] = self._running.states()
        self._seen = dict.fromkeys(plan.wanted, 0)
        self._acted = False
        self._done = 0
        self._way = self._next_way()
        self._stand = self._known = 0.0
        self._measure(stand=True, known=True)

    @property
    def steps_left(self) -> int:
        """Most steps until the end."""
        if self.over:
            return 0
        turns = len(self.plan.gold)
        return (turns - self.turn) * (self._max_steps + 1) - self.steps

    @property
    def success(self) -> bool:
        """Whether every turn ended as it should."""
        return bool(self.over) and not self.lost

    @property
    def progress(self) -> float:
        """The share of the whole way, in [0, 1]: turns that are done, and of the next one its :class:`Way`'s share."""
        return self._progress

    @property
    def worth(self) -> float:
        """The potential whose change is the verifier signal, in [-1, 1].

        It is :attr:`progress` until a turn ends wrong. Then nothing can be won any more: progress stays where it was,
        and the worth is 1 less, for good.
        """
        return self.progress - self.lost

    def key(self) -> str:
        """Return a stable hash of the true state: the back ends, the turn, and which gold answers were seen."""
        seen = list(self._seen.values())  # in the order of the gold calls
        about = repr((self.plan.task.id, self.turn, self._acted, self.lost, self.over, seen))
        whole = about.encode("utf-8", "backslashreplace") + self._running.digest
        return hashlib.blake2b(whole, digest_size=16).hexdigest()

    def do(self, event: Event) -> str:
        """Let something happen, and return what is seen of it: the tools' answers, or what the user says next."""
        self.history.append(event)
        self.refused = event == ()
        if event is None:
            self._close(right=self._is_right())
            self.over = ALL_DONE if self.turn == len(self.plan.gold) else ""
            return "" if self.over else self.plan.said(self.turn)
        answers = [self._call(call) for call in event]
        self.steps += 1
        if self.steps > self._max_steps:
            self.over = TOO_LONG
            self._close(right=self.turn + 1 == len(self.plan.gold) and self._is_right())
        return "\n".join(f"{RESULT}{answer}" for answer in answers)

    def replay(self, history: Iterable[Event]) -> None:
        """Let all of a history happen."""
        for event in history:
            self.do(event)

    def next_calls(self) -> tuple[Call, ...]:
        """Return the first gold calls of this turn that were not made: as few as leave the others a step each."""
        gold = self.plan.gold[self.turn] if not self.over else ()
        left = [call for number, call in enumerate(gold) if not self.made >> number & 1]
        steps = max(1, self._max_steps - self.steps)
        return tuple(left[: -(-len(left) // steps)])

    def _call(self, call: Call) -> str:
        offer = self.offer
        if self._withholds and call.name in offer.withheld:
            self.refused = True
            return _NOT_YET.format(call.name)
        self._acted = True
        answer = self._running.call(call)
        if answer.changed:
            self._states[answer.changed] = self._running.state(answer.changed)
            self._measure(stand=True)
        most, seen = self.plan.wanted.get(answer.text, 0), self._seen.get(answer.text, 0)
        if seen < most:
            self._seen[answer.text] = seen + 1
            self._measure(known=True)
        if answer.error and not _fits(call, offer):
            self.refused = True
        self._note(call)
        return answer.text

    def _note(self, call: Call) -> None:
        """Note which gold call was made."""
        made = call.name, self.plan.by_name(call)
        for number, gold in enumerate(self.plan.gold_named[self.turn]):
            if gold == made and not self.made >> number & 1:
                self.made |= 1 << number
                break

    def _close(self, *, right: bool) -> None:
        """Go on to the next turn; what was lost stays lost."""
        self.lost |= not right
        self._done += self.plan.ways[self.turn] is not None
        self.turn, self.steps, self.made, self._acted = self.turn + 1, 0, 0, False
        self.offer = self.plan.offers[min(self.turn, len(self.plan.offers) - 1)]
        self._way = self._next_way()
        self._measure(stand=True, known=True)

    def _is_right(self) -> bool:
        """The published check at the end of a turn; where nothing can be done, nothing is checked."""
        return self.plan.ways[self.turn] is None or (self._acted and self._stand == self._known == 1.0)

    def _next_way(self) -> Way | None:
        """The way of this turn, or of the next that has gold calls."""
        return next((way for way in self.plan.ways[self.turn :] if way is not None), None)

    def _measure(self, *, stand: bool = False, known: bool = False) -> None:
        """Measure the progress anew; once all is lost it stays where it was."""
        if self.lost:
            return
        share = 0.0
        if self._way is not None:
            self._stand = self._way.states_share(self._states) if stand else self._stand
            self._known = self._way.answers_share(self._seen) if known else self._known
            share = self._way.share(self._stand, self._known)
        self._progress = (self._done + share) / self.plan.asked if self.plan.asked else 1.0


def _fits(call: Call, offer: Offer) -> bool:
    """Whether a call is of a tool on offer, with its arguments and no others."""
    required = offer.required.get(call.name)
    return required is not None and required <= call.named.keys() <= offer.parameters[call.name].keys()
