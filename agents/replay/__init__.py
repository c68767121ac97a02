"""Going back to a decision: other actions from the same moment of an episode, each continued to its end.

- ``tree``: ``grow_trees``. ``points``: a grown tree, and the same as episodes and as buckets of comparable returns.
- ``allocation``: where a tree branches. ``ledger``: what it costs.
- ``restart``: a point as plain JSON, to be reached again elsewhere. ``ray_replay``: trees in worker processes.
- ``behaviour``: an agent that plays the behaviour of an exact model.
"""

from __future__ import annotations

from credit_gym.agents.replay.allocation import Allocation
from credit_gym.agents.replay.points import Tree
from credit_gym.agents.replay.tree import grow_trees

__all__ = ["Allocation", "Tree", "grow_trees"]
