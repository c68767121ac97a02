"""Studies that go beyond a published table: what credit is worth, measured against exact answers or in training.

- ``creditbench`` and its ``leaderboard``: every scorer on every controlled environment.
- ``counterfactual`` and its ``counterfactual_methods``: replay credit against exact advantages at matched cost.
- ``key_recurrence``: what states are pooled by, and what that buys.
- ``delta_belief``, ``team_training``, ``headline``: which credit trains fastest.
"""
