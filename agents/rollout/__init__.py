"""How episodes are played: the runner, turns, batching, the progress bar, logs, and worker processes by Ray."""
