"""Before training: a small language model learns to play by imitating a weak player, and to say what it believes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from credit_gym import rng
from credit_gym.agents.core import Context
from credit_gym.agents.learning.tiny_lm.corpus import Transcript, texts, transcripts
from credit_gym.agents.learning.tiny_lm.pretrain import teach
from credit_gym.agents.learning.tiny_lm.tokenizer import learn_tokenizer
from credit_gym.agents.likelihood.rendering import elicit
from credit_gym.agents.llm.chat_tokens import ChatTokens
from credit_gym.agents.llm.prompting import messages
from credit_gym.agents.rollout.runner import run_episodes
from credit_gym.baselines.studies.headline.headline_games import Game
from credit_gym.data.episode import Episode

EPISODES = 600
"""Episodes of the weak player."""


def taught(game: Game, folder: Path, *, seed: int = 0) -> Path:
    """Return the folder of the model that has had its lessons; it is made the first time.

    Args:
        game: what it plays.
        folder: where it is kept.
        seed: fixes everything.
    """
    if (folder / "config.json").is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    recorded = run_episodes(
        partial(game.make, folder), game.teacher, episodes=EPISODES, seed=rng.derive(seed, 1), progress=False
    )
    secrets = targets(game, folder)
    spoken = [f"Is it '{secret}'?" for secret in secrets.values()]
    tokenizer = learn_tokenizer([*texts(recorded, game.prompting), *spoken], 512)
    chat = ChatTokens(tokenizer)
    rows = [*transcripts(recorded, game.prompting, chat), *_elicited(recorded, game, chat, tokenizer, secrets)]
    model, _ = teach(
        tokenizer, rows, steps=game.lessons, batch_size=32, learning_rate=3e-3, hidden=64, layers=2, seed=seed
    )
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def targets(game: Game, folder: Path) -> dict[str, str]:
    """Return the truth of every task by its id; empty where tasks have none in words."""
    if not game.words:
        return {}
    env: Any = game.make(folder).unwrapped
    return {task.id: task.secret for task in env.tasks}


def _elicited(
    recorded: Sequence[Episode], game: Game, chat: ChatTokens, tokenizer: Any, secrets: Mapping[str, str]
) -> Iterator[Transcript]:
    """A row for every third moment of the episodes, in which the assistant names the truth."""
    for number, episode in enumerate(recorded if secrets else ()):
        words = elicit(tokenizer, secrets[episode.task_id])
        turns = tuple(zip(episode.observations, episode.actions, strict=False))
        for step in range(number % 3, len(turns), 3):
            context = Context(episode.goal, turns[step][0], turns[:step], (), {}, step, 0)
            prompt = chat.prompt(messages(context, game.prompting)).ids
            named = range(len(prompt) + words.start, len(prompt) + words.end)
            yield Transcript((*prompt, *words.ids.tolist()), tuple(named))
