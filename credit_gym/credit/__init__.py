"""Scorers applied: targets from episodes, and the credits of a stored run."""
