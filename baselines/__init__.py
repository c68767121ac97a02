"""The baselines: one runnable file per published table, the sweep, and the speed table."""
