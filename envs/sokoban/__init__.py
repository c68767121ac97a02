"""Sokoban in text: push every box onto a target, in rooms made here and solvable by construction.

``room``      a room, its moves and its picture
``generate``  rooms drawn from a seed, by pulling boxes off their targets
``distances`` the exact distance of every position of a small room, and bounds where a room is too large for that
``place``     a position as it is played: its text, its moves and what is known about it
``moves``     reading one move, or a list of them
``env``       the Gymnasium face; ``vector`` n copies of it
"""
