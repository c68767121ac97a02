"""Real faults against the real commands: what is killed, starved, damaged or lied to keeps what it had recorded.

- ``trial``: one trial in a process of its own, and what may come of it. ``rounds``: trials until the minutes are spent.
- ``kinds``: the table of kinds. ``stress_page``: what is printed and written of them.
- ``launching``: the commands as processes; ``descent``: which processes descend from which.
- ``jobs``: commands that record something and can be taken up again, and what each has recorded.
- ``kills``, ``stopping_signals``, ``full_disks``, ``closed_folders``, ``damaged_stores``, ``clock_jumps``: done to
  jobs; ``private_mounts``: small and read-only disks; ``store_writer``, ``jumping_clock``: run as processes.
- ``killed_models``: training and merging. ``broken_servers``: models. ``dead_workers``: who works for a run.
  ``served_sessions``: clients of a server of environments.
- ``hostile_actions``, ``growth``, ``left_behind``: done to environments.
"""
