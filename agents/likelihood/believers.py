"""Language models as believers: what a model holds for the truth, turn by turn or a whole episode at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from threading import RLock
from typing import Any

import gymnasium as gym
import numpy as np

from credit_gym.agents.core import Context, Due
from credit_gym.agents.likelihood.beliefs import Aggregate, Branch, Probe, beliefs
from credit_gym.agents.likelihood.incremental import IncrementalBelief
from credit_gym.agents.likelihood.language_model import LanguageModel
from credit_gym.agents.likelihood.passes import Limits
from credit_gym.agents.likelihood.rendering import ELICITATION, elicit
from credit_gym.agents.likelihood.score_cache import ScoreCache
from credit_gym.agents.llm.chat_tokens import ChatTokens
from credit_gym.agents.llm.prompting import Prompting, messages
from credit_gym.data.action_format import declared_format
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import IntArray
from credit_gym.errors import CreditGymError
from credit_gym.wrappers.record_belief import Follower, Reading, Turn, columns

_NAN = float("nan")
_LOCK = RLock()  # a model in this process computes for one thread at a time


class ModelBeliever:
    """The belief of a language model: the log-probability of its naming the truth if it were asked now.

    ``log b_t = log p(y | h_t, e)`` with the chat h_t up to the observation t, shown as an agent with the same prompting
    sees it, and the elicitation e as the assistant's own words (Auzina et al., 2026, "Intrinsic Credit Assignment").
    Turn by turn, only what is new is computed (:class:`~credit_gym.agents.likelihood.incremental.IncrementalBelief`);
    :meth:`read` takes one pass over the episode. Both give the same, up to rounding.

    A point whose chat, elicitation and target together are longer than the model's positions reads NaN, and the first
    one warns.

    Args:
        lm: the believer.
        elicitation: the assistant's words, with ``{target}`` once.
        variants: surface forms of a target, whose probabilities add up, such as ``lambda y: (y, f"a {y}")``; None takes
            the target alone.
        distractors: wrong answers that the truth is contrasted with; the truth itself is left out of them.
        anchor: a slowly following copy, whose belief in the truth is read too.
        prompting: how the chat is shown.
        aggregate: "sum" of a target's token log-probabilities, or their "mean" for targets as long as a sentence.
        chat_template: in place of the tokenizer's own.
        max_context: most tokens; None takes the number of the model's positions.

    Raises:
        CreditGymError: the elicitation does not name the target once.
    """

    def __init__(
        self,
        lm: LanguageModel,
        elicitation: str = ELICITATION,
        *,
        variants: Callable[[str], Sequence[str]] | None = None,
        distractors: Sequence[str] = (),
        anchor: LanguageModel | None = None,
        prompting: Prompting | None = None,
        aggregate: Aggregate = "sum",
        chat_template: str | None = None,
        max_context: int | None = None,
    ) -> None:
        if elicitation.count("{target}") != 1:
            raise CreditGymError(f"An elicitation must hold {{target}} once, not {elicitation!r}.")
        self.lm = lm
        self.anchor = anchor
        self.elicitation = elicitation
        self.aggregate = aggregate
        self.prompting = prompting or Prompting()
        self._variants = variants or (lambda target: (target,))
        self._distractors = tuple(dict.fromkeys(distractors))
        self._template = chat_template
        self._max_context = max_context
        self._chat: ChatTokens | None = None
        self._warned = False

    def __call__(self, env: gym.Env[str, str], /) -> Follower:
        """Return what follows the episode of an environment that was just reset; ``target`` is its truth."""
        forms, wrong = self._branches(_target(env))
        models = [self.lm] if self.anchor is None else [self.lm, self.anchor]
        trackers = [_Tracker(lm, forms, () if number else wrong, self.aggregate) for number, lm in enumerate(models)]
        turns: list[Turn] = []

        def follow(turn: Turn) -> Reading:
            turns.append(turn)
            ids = self._ids(turns)
            if not self._fits(ids, (*forms, *wrong)):
                return self._reading(_NAN, _NAN, _NAN, bool(wrong))
            with _LOCK:
                found = [tracker(ids) for tracker in trackers]
            return self._reading(*found[0], found[-1][0], bool(wrong))

        return follow

    def read(self, env: gym.Env[str, str], turns: Sequence[Turn], /) -> list[Reading]:
        """Return the readings of all turns of an episode, in one pass."""
        return self.read_all([turns], [_target(env)])[0]

    def read_all(
        self,
        episodes: Sequence[Sequence[Turn]],
        targets: Sequence[str],
        *,
        limits: Limits | None = None,
        cache: ScoreCache | None = None,
    ) -> list[list[Reading]]:
        """Return the readings of all turns of many episodes, what they share computed once.

        Args:
            episodes: their turns, the reset first.
            targets: the truth of each.
            limits: memory.
            cache: where results are kept and looked up by content.
        """
        probes: list[Probe | None] = []
        fitting: list[list[int]] = []
        for turns, target in zip(episodes, targets, strict=True):
            forms, wrong = self._branches(target)
            contexts = [self._ids(turns[: point + 1]) for point in range(len(turns))]
            points = [point for point, ids in enumerate(contexts) if self._fits(ids, (*forms, *wrong))]
            fitting.append(points)
            probes.append(Probe(tuple(contexts[point] for point in points), forms, wrong) if points else None)
        asked = [probe for probe in probes if probe is not None]
        plain = [replace(probe, distractors=()) for probe in asked] if self.anchor is not None else []
        options: Any = {"aggregate": self.aggregate, "limits": limits, "cache": cache}
        with _LOCK:
            found = iter(beliefs(self.lm, asked, **options))
            anchors = iter([] if self.anchor is None else beliefs(self.anchor, plain, **options))
        readings = []
        for turns, points, probe in zip(episodes, fitting, probes, strict=True):
            table = np.full((len(turns), 3), _NAN)
            if probe is not None:
                belief = next(found)
                table[points, 0], table[points, 1] = belief.log_belief, belief.distractor_log_belief
                if self.anchor is not None:
                    table[points, 2] = next(anchors).log_belief
            contrasted = bool(self._distractors) if probe is None else bool(probe.distractors)
            readings.append([self._reading(own, other, slow, contrasted) for own, other, slow in table.tolist()])
        return readings

    def _reading(self, log_belief: float, wrong: float, anchor: float, contrasted: bool) -> Reading:
        return Reading(log_belief, wrong if contrasted else None, None if self.anchor is None else anchor)

    def _branches(self, target: str) -> tuple[tuple[Branch, ...], tuple[Branch, ...]]:
        forms = tuple(self._variants(target))
        wrong = [each for each in self._distractors if each != target and each not in forms]
        tokenizer = self.lm.tokenizer
        return (
            tuple(elicit(tokenizer, each, self.elicitation) for each in forms),
            tuple(elicit(tokenizer, each, self.elicitation) for each in wrong),
        )

    def _ids(self, turns: Sequence[Turn]) -> IntArray:
        """The tokens of the chat up to the last of some turns, the opening of the assistant's turn included."""
        if self._chat is None:
            self._chat = ChatTokens(self.lm.tokenizer, self._template)
        history = tuple((before.observation, str(after.action)) for before, after in pairwise(turns))
        earlier = tuple(Due(turn.action_format, turn.admissible_actions) for turn in turns[:-1])
        now = turns[-1]
        context = Context(
            now.goal, now.observation, history, now.admissible_actions, {}, len(history), 0, now.action_format, earlier
        )
        return np.asarray(self._chat.prompt(messages(context, self.prompting)).ids, dtype=np.int64)

    def _fits(self, ids: IntArray, branches: Sequence[Branch]) -> bool:
        limit = self._max_context or getattr(self.lm.network.config, "max_position_embeddings", None)
        length = ids.size + max(branch.end for branch in branches)
        if limit is None or length <= limit:
            return True
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"A chat with its target has {length:,} tokens and the believer takes {limit:,}: such beliefs are "
                "recorded as NaN; take a model with more positions, or a prompting with fewer history_turns.",
                stacklevel=2,
            )
        return False


def with_beliefs(
    episodes: Sequence[Episode],
    believer: ModelBeliever,
    targets: Mapping[str, str],
    *,
    limits: Limits | None = None,
    cache: ScoreCache | None = None,
) -> list[Episode]:
    """Return recorded episodes with the believer's ``log_belief`` columns, in one pass over what they share.

    Args:
        episodes: as recorded; goal, observations and actions make the chat.
        believer: who believes.
        targets: the truth of each task by its id, such as ``{task.id: task.secret for task in env.unwrapped.tasks}``.
        limits: memory.
        cache: where results are kept and looked up by content.

    Raises:
        CreditGymError: a task has no target.
    """
    for episode in episodes:
        if episode.task_id not in targets:
            raise CreditGymError(f"There is no target for the task {episode.task_id!r}: add it to targets.")
    turns = [_turns(episode) for episode in episodes]
    readings = believer.read_all(turns, [targets[e.task_id] for e in episodes], limits=limits, cache=cache)
    changes: list[Any] = [columns(each) for each in readings]
    return [replace(episode, **change) for episode, change in zip(episodes, changes, strict=True)]


def _turns(episode: Episode) -> list[Turn]:
    """What passed in an episode, as it was told to whoever played it."""
    form = declared_format(episode.env_id)
    offered = (*(episode.admissible_actions or ((),) * len(episode)), ())
    said = zip((None, *episode.actions), episode.observations, offered, strict=True)
    return [Turn(action, observation, episode.goal, form, actions) for action, observation, actions in said]


class _Tracker:
    """The belief of one model while a chat grows; a chat that was rewritten is begun anew."""

    def __init__(
        self, lm: LanguageModel, variants: Sequence[Branch], distractors: Sequence[Branch], aggregate: Aggregate
    ) -> None:
        self._begin = partial(IncrementalBelief, lm, variants, distractors, aggregate=aggregate)
        self._belief = self._begin()
        self._ids: IntArray = np.zeros(0, dtype=np.int64)

    def __call__(self, ids: IntArray) -> tuple[float, float]:
        known = self._ids.size
        if known >= ids.size or not np.array_equal(ids[:known], self._ids):
            self._belief, known = self._begin(), 0
        self._ids = ids
        belief = self._belief.append(ids[known:])
        return float(belief.log_belief[0]), float(belief.distractor_log_belief[0])


def _target(env: gym.Env[str, str]) -> str:
    target = getattr(env.unwrapped, "target", None)
    if not isinstance(target, str):
        raise CreditGymError(
            f"{type(env.unwrapped).__name__} has no attribute target: a belief needs a truth in words to be about."
        )
    return target
