"""A process that writes to a store without an end, and says what is committed: ``store_writer FOLDER NUMBER``."""

from __future__ import annotations

import sys
from itertools import count

from credit_gym.data.episode import Episode
from credit_gym.store import Store


def episode_of(number: int, place: int) -> Episode:
    """Return the episode that a writer writes at a place: every third has values that lie in files."""
    steps = 1 + (7 * number + place) % 20
    return Episode(
        episode_id=f"{number}-{place}",
        env_id="credit/Test-v0",
        agent_id="writer",
        group_id=f"{number}-g{place // 2}",
        task_id=str(place % 5),
        goal=f"{place} " * (600 if place % 3 == 0 else 3),
        observations=tuple(f"{place} at {t}" for t in range(steps + 1)),
        state_keys=tuple(f"{number} {t % 4}" for t in range(steps + 1)),
        actions=tuple(f"go {t}" for t in range(steps)),
        rewards=tuple(0.1 * t for t in range(steps)),
        success=bool(place % 2),
        terminated=True,
        truncated=False,
    )


def main() -> None:
    """Write until killed."""
    folder, number = sys.argv[1:]
    store = Store.open(folder)
    run_id = store.start_run(env_id="credit/Test-v0", agent_id="writer", seed=int(number))
    print(run_id, flush=True)
    for place in count():
        store.add_episode(run_id, episode_of(int(number), place))
        print(f"{number}-{place}", flush=True)


if __name__ == "__main__":
    main()
