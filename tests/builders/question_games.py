"""Questioning games with a chosen secret, a model that answers as it is told, and the expert's play."""

from __future__ import annotations

from credit_gym.envs.information.customer_service import CustomerServiceEnv
from credit_gym.envs.information.guess_my_city import GuessMyCityEnv
from credit_gym.envs.information.murder_mystery import MurderMysteryEnv
from credit_gym.envs.information.personalization import PersonalizationEnv
from credit_gym.envs.information.twenty_questions import TwentyQuestionsEnv

CANDIDATE_GAMES = [TwentyQuestionsEnv, GuessMyCityEnv]
SCENARIO_GAMES = [MurderMysteryEnv, CustomerServiceEnv, PersonalizationEnv]


class TalkingModel:
    """A model that says what it is told to, in turn, and remembers what it was asked."""

    def __init__(self, *texts):
        self.texts = list(texts)
        self.asked = []

    def __call__(self, messages):
        self.asked.append(messages)
        return self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]


def labelled(text):
    """Return how a model writes the label of a question."""
    return f"Well. <answer>{text}</answer>"


def begin_with(env, secret):
    """Start the game with a certain secret."""
    number = next(n for n, task in enumerate(env.tasks) if task.secret == secret)
    return env.reset(seed=0, options={"task": number})


def nouns_env(secret, **options):
    """Return Twenty Questions about a certain noun, begun."""
    env = TwentyQuestionsEnv("all", **options)
    begin_with(env, secret)
    return env


def play_expert(env, info):
    """Play the expert's actions to the end; return the rewards, the verifier readings and the last info."""
    rewards, verifiers, done = [], [], False
    while not done:
        _, reward, terminated, truncated, info = env.step(info["expert_actions"][0])
        rewards.append(reward)
        verifiers.append(info["verifier"])
        done = terminated or truncated
    return rewards, verifiers, info
