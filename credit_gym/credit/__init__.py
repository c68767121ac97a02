"""Scorers applied.

- ``assign``: training targets from episodes.
- ``credited``: episodes with the credits of several scorers, as a notebook shows them.
- ``advise``: which scorer fits a run, from what its ``run_facts`` are and from the ``regime_map``; ``advice`` says it.
- ``company``: who else stood in the state of a step, and what it was worth to them.
- ``stored_runs``: the credits of a stored run, made anew or read back; a ``fingerprint`` says whether they are stale.
"""
