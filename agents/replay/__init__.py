"""Replay trees: other actions from the same moment of an episode, each continued to its end."""
