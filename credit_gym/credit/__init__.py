"""Scorers applied.

- ``assign``: training targets from episodes.
- ``stored_runs``: the credits of a stored run, made anew or read back; a ``fingerprint`` says whether they are stale.
"""
