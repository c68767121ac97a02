"""Recorded episodes as what a language model would have read and written, in text and in tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from credit_gym.agents.core import Context, Due
from credit_gym.agents.llm.chat_tokens import ChatTokens
from credit_gym.agents.llm.prompting import Prompting, messages
from credit_gym.agents.llm.styles import STYLES
from credit_gym.data.action_format import declared_format
from credit_gym.data.episode import Episode


class Transcript(NamedTuple):
    """One row of training data.

    Attributes:
        ids: N token ids.
        taught: indices of those tokens of the assistant that are to be learned.
    """

    ids: tuple[int, ...]
    taught: tuple[int, ...]


def transcripts(
    episodes: Sequence[Episode], prompting: Prompting, chat: ChatTokens, *, expert_only: bool = False
) -> list[Transcript]:
    """Return the chats of some episodes, the assistant's turns marked.

    What an agent with this prompting reads before each action is followed by the action that was taken. Steps whose
    chat goes on from the step before it share a row, so an episode is one row unless the prompting changes what earlier
    messages say.

    Args:
        episodes: what was played.
        prompting: how it is shown.
        chat: how chats become tokens.
        expert_only: teach only those actions that the environment calls an expert's, where it says what an expert would
            do; the others are shown, so that the model learns how to go on after them.
    """
    rows = []
    for episode in episodes:
        ids: tuple[int, ...] = ()
        taught: tuple[int, ...] = ()
        for context, action in _turns(episode):
            prompt = chat.prompt(messages(context, prompting)).ids
            if prompt[: len(ids)] != ids:
                rows.append(Transcript(ids, taught))
                taught = ()
            ids = (*prompt, *chat.answer(STYLES[prompting.style].show(action)))
            if not (expert_only and context.info["expert_actions"]) or action in context.info["expert_actions"]:
                taught = (*taught, *range(len(prompt), len(ids)))
        rows.append(Transcript(ids, taught))
    return [row for row in rows if row.taught]


def texts(episodes: Sequence[Episode], prompting: Prompting) -> Iterator[str]:
    """Yield every text in those chats, for a tokenizer to learn from; what all turns share comes once an episode."""
    for episode in episodes:
        for context, action in _turns(episode):
            chat = messages(context, prompting)
            yield from (str(message["content"]) for message in (chat if not context.step else chat[-1:]))
            yield STYLES[prompting.style].show(action)


def _turns(episode: Episode) -> Iterator[tuple[Context, str]]:
    history = tuple(zip(episode.observations, episode.actions, strict=False))
    unknown = ((),) * len(episode)
    offered, expert = episode.admissible_actions or unknown, episode.expert_actions or unknown
    form = declared_format(episode.env_id)
    for step, (observation, action) in enumerate(history):
        info = {"expert_actions": expert[step]}
        earlier = tuple(Due(form, actions) for actions in offered[:step])
        yield (
            Context(
                episode.goal, observation, history[:step], offered[step], info, step, episode.seed or 0, form, earlier
            ),
            action,
        )
