"""Exact answers: the model of a small environment, and the values, advantages and ceilings that solve it."""
