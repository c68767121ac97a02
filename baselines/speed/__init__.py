"""What is measured against what: the lines of the speed table.

- ``measurement``: one line, and how it is taken.
- ``game_speed``, ``alfworld_speed``, ``webshop_speed``: environments; ``replay_speed``: going back.
- ``training_speed``: a step of training. ``likelihood_speed``: scoring tokens. ``ray_speed``: worker processes.
"""
