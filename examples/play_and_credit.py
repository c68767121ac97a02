"""Play a group of episodes, credit every step, keep them in a store, and write a page to read them in.

python examples/play_and_credit.py [FOLDER]
"""

import sys
from functools import partial
from pathlib import Path

import gymnasium as gym

import credit_gym as cg

ENV = "credit/Stochastic-v0"


def make_env() -> gym.Env[str, str]:
    """RecordVerifier makes the environment's progress signal a column that scorers may read."""
    return cg.RecordVerifier(gym.make(ENV))


def main(folder: Path) -> None:
    """Play, score, store and report."""
    agent = cg.parse_agent("noisy:0.5")  # half the time an expert; "hf:models/mine" is a language model
    store, run_id = cg.new_run(folder, env_id=ENV, agent_id=agent.name, config={}, seed=0)
    episodes = cg.run_episodes(
        make_env,
        agent,
        episodes=16,
        seed=0,
        group_size=8,  # eight episodes of each task are compared with each other
        sink=partial(store.add_episode, run_id),
    )
    store.finish_run(run_id)
    print(f"{len(episodes)} episodes, {sum(episode.success for episode in episodes)} solved")

    batch = cg.EpisodeBatch.from_episodes(episodes)
    credits = {scorer: cg.score(batch, scorer) for scorer in ("outcome_only", "branch_aware", "evidence_lambda")}
    for target in cg.build_targets(episodes)[:5]:
        print(f"{target.credit:+.2f}  {target.action}")

    page = folder / run_id / "report.html"
    cg.write_report(page, title=ENV, episodes=episodes, credits=credits)
    print(f"{page} shows each step tinted by its credit")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs"))
