"""Studies that go beyond a published table: what credit is worth, measured against exact answers or in training.

- ``creditbench`` and its ``leaderboard``: every scorer on every controlled environment.
- ``counterfactual`` and its ``counterfactual_methods``: replay credit against exact advantages at matched cost.
- ``key_recurrence``: what states are pooled by, and what that buys.
- ``advised``: whether what is advised trains better than what it would be mistaken for.
- ``delta_belief``, ``team_training``, ``headline``: which credit trains fastest.
"""
