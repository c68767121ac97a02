"""Train a policy on-policy, once from outcomes alone and once from per-step credit: no torch, a few seconds."""

import gymnasium as gym

import credit_gym as cg
from credit_gym.agents.learning.softmax import SoftmaxAgent, train_softmax

ITERATIONS = 8


def make_env() -> gym.Env[str, str]:
    """The recording wrappers that the scorers need."""
    return cg.RecordVerifier(gym.make("credit/Stochastic-v0"))


if __name__ == "__main__":
    print("share of episodes solved before each gradient step")
    for scorer in ("outcome_only", "evidence_lambda"):
        curve = train_softmax(
            make_env,
            SoftmaxAgent(seed=0),  # one logit per state and action, all 0 at first
            scorer,
            iterations=ITERATIONS,
            episodes=160,  # 16 of each of ten tasks
            group_size=16,
            learning_rate=4.0,
        )
        print(f"{scorer:>15}", *(f"{share:.2f}" for share in curve))
