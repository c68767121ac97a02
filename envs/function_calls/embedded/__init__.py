"""Back ends of our own, and tasks on them made from a seed: nothing is downloaded.

``back_end``                                   what a back end is, and what its tools share
``folders``, ``messages``, ``tickets``         files; people who write to each other; a help desk
``brokerage``, ``trips``, ``car``              orders for shares; flights; a car's controls
``calculator``                                 sums, which change nothing
``stories``                                    tasks from a seed, by category
``scene``, ``words``                           where a story takes place, and its names
``money_parts``, ``office_parts``, ``road_parts``   the parts that stories are made of
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from credit_gym.envs.function_calls.embedded.stories import BACK_ENDS, embedded_task

__all__ = ["BACK_ENDS", "embedded_task", "tool_documents"]


def tool_documents(names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the documents of the tools of some back ends: name, description and parameters as JSON schema.

    Args:
        names: of classes in :data:`BACK_ENDS`.
    """
    return [dict(tool.schema["function"]) for name in names for tool in BACK_ENDS[name].TOOLS.values()]
