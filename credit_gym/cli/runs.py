"""List the stored runs."""

from __future__ import annotations

from credit_gym.cli.app import RUNS, RunsDir, app, show


@app.command(epilog="Example: credit-gym runs --runs-dir runs")
def runs(runs_dir: RunsDir = RUNS) -> None:
    """List the stored runs."""
    from credit_gym.report import Table
    from credit_gym.store import stores

    rows = tuple(
        (r.run_id, r.group_id, r.env_id, r.agent_id, r.seed, len(store.episode_ids(r.run_id)), r.status, r.created)
        for store in stores(runs_dir)
        for r in store.runs()
    )
    show(Table("Runs", ("run", "group", "environment", "agent", "seed", "episodes", "status", "created"), rows))
