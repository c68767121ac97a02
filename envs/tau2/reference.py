"""What the reference solution of a task does next: the expert of the published domains."""

from __future__ import annotations

from credit_gym.envs.tau2.actions import DONE, write_call, write_function
from credit_gym.envs.tau2.conversation import Moment
from credit_gym.envs.tau2.tasks import Task


def next_action(task: Task, moment: Moment, *, solo: bool, listens: bool) -> str:
    """Return the next action of the reference solution; then what must be told; then the end.

    What the customer has to do is asked of them, once each time it is part of the solution: what does not come of
    asking will not come of asking again.

    Args:
        task: with its solution.
        moment: where the conversation stands.
        solo: whether the agent does the customer's part too.
        listens: whether the customer does what they are asked.
    """
    said = [message.content for message in moment.messages if message.role == "assistant"]
    for number, action in enumerate(task.actions or ()):
        if solo or action.call.requestor == "assistant":
            if not moment.made >> number & 1:
                return write_call(action.call)
        elif listens:
            asking = f"Please do this on your side, and tell me what you see: {write_function(action.call)}"
            if asking in said:
                said.remove(asking)
            elif not moment.made >> number & 1:
                return asking
    if solo:
        return DONE
    missing = untold(task, moment.told)
    return f"For your information: {', '.join(missing)}." if missing else "Everything is done. Goodbye."


def untold(task: Task, told: int) -> list[str]:
    """Return what the customer must be told and was not, by the bits of what was."""
    return [info for number, info in enumerate(task.communicate) if not told >> number & 1]
