"""States of a tool log: what was called last, or what has been called so far.

A step's calls are its ``tool_calls``, or those that its action's text makes
(:func:`credit_gym.data.call_dialects.read_calls`), in the canonical text of :mod:`credit_gym.data.calls`: the name and
the arguments, sorted. In an episode that calls no tool at all every action is a call, its case and white space apart. A
step without calls only speaks: what it says is not looked at, but how often something was said since the last call is.

A call erred if the environment says so (the column ``invalid``), or if the first word of what it was answered with is
"error", "exception" or "traceback", whatever signs and one ``tool:`` stand before it. Everything is O(n) in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b

from credit_gym.data.call_dialects import Unreadable, read_calls
from credit_gym.data.calls import write_call
from credit_gym.data.episode import Episode

_ERRED = re.compile(r"[\W_]{0,9}(?:tool[\W_]{1,9})?(?:error|exception|traceback)(?![a-z])", re.IGNORECASE)
_BITS = 128


def last_calls(episode: Episode) -> list[str]:
    """Return what each point is known by: the calls that led there, whether they erred, what was said since; (T+1,)."""
    called, said, found = "start", 0, [_point("start", 0)]
    for calls, erred in _deeds(episode):
        if calls:
            called, said = "\n".join((*calls, "erred") if erred else calls), 0
        else:
            said += 1
        found.append(_point(called, said))
    return found


def calls_so_far(episode: Episode) -> list[str]:
    """Return what each point is known by: the set of calls made, and what was said since the last; (T+1,).

    A call that erred changed nothing, so it leaves the point as it was, and so does one that was made before. The set
    is kept as the sum of its calls' 128-bit hashes: one number, whatever was called and in whichever order.
    """
    made, total, said = set[str](), 0, 0
    found = [_point("0 calls", 0)]
    for calls, erred in _deeds(episode):
        said = 0 if calls and not erred else said + (not calls)
        for call in () if erred else calls:
            if call not in made:
                made.add(call)
                total = (total + _number(call)) % 2**_BITS
        found.append(_point(f"{len(made)} calls {total:032x}" if made else "0 calls", said))
    return found


def _deeds(episode: Episode) -> Iterator[tuple[tuple[str, ...], bool]]:
    """The calls of each step, and whether they erred."""
    each = [_calls(episode, step) for step in range(len(episode))]
    if not any(each):
        each = [(" ".join(action.casefold().split()),) for action in episode.actions]
    refused = episode.invalid or (False,) * len(episode)
    for calls, invalid, answer in zip(each, refused, episode.observations[1:], strict=True):
        yield calls, invalid or _ERRED.match(answer) is not None


def _calls(episode: Episode, step: int) -> tuple[str, ...]:
    recorded = episode.tool_calls[step] if episode.tool_calls is not None else ()
    found = recorded or read_calls(episode.actions[step], {})
    return () if isinstance(found, Unreadable) else tuple(write_call(call["name"], call["arguments"]) for call in found)


def _point(known: str, said: int) -> str:
    return f"{known}\nsaid {said}" if said else known


def _number(call: str) -> int:
    return int.from_bytes(blake2b(call.encode("utf-8", "surrogatepass"), digest_size=_BITS // 8).digest(), "big")
