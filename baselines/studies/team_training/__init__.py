"""Which credit trains a team faster? A chain of three roles whose exact advantages can be enumerated.

- ``team_game``: the game and its exact values; ``team_model``: the roles.
- ``team_policy_gradient``: one run under one credit; ``team_study``: all of them.
"""
