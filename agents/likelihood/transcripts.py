"""Message lists as token sequences, one span per message: what a policy and its reference score of a finished run.

``upstream`` writes messages exactly as progress-advantage's code does; ``plain`` is the same text with what nobody said
(headers, separators, a canned greeting, the environment's turns) left out of the spans; ``chat`` is the model's own
template.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from credit_gym.agents.likelihood.forest import TokenSequence
from credit_gym.agents.likelihood.logprobs import TokenScores
from credit_gym.agents.likelihood.rendering import chat_sequences
from credit_gym.agents.llm.chat_tokens import ChatTokens
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import BoolArray, FloatArray
from credit_gym.envs.who_and_when.logs import HAND_CRAFTED, TERMINAL, FailureLog
from credit_gym.errors import CreditGymError, ManifestError, unknown
from credit_gym.estimation.token_scores import aggregate_tokens

GREETING = "Hi! How can I help you today?"
"""What opens every conversation of tau2: the harness says it, not the model."""

UPSTREAM_CAP = 16_384
"""Most tokens of a transcript in upstream's configuration."""


class Call(NamedTuple):
    """A tool call: the tool's name and its arguments as the file has them."""

    name: str
    arguments: Any


class Turn(NamedTuple):
    """One message.

    Attributes:
        role: its chat role; in hand-crafted failure logs the agent's name.
        content: its text.
        speaker: who wrote it, where that is not the role.
        calls: its tool calls.
        environment: whether no agent wrote it, though it stands among what agents wrote (a code runner's output).
    """

    role: str
    content: str = ""
    speaker: str = ""
    calls: tuple[Call, ...] = ()
    environment: bool = False


@dataclass(frozen=True, slots=True)
class Transcript:
    """A finished run in messages.

    Attributes:
        id: unique within its source.
        task_id: what it was about; candidates of one task share it.
        turns: oldest first.
        reward: None if it was never graded.
        question: the task, where the messages do not say it.
        team: whether every speaker is an agent, as in failure logs; else only the role ``assistant`` is.
        trial: which attempt at the task.
    """

    id: str
    task_id: str
    turns: tuple[Turn, ...]
    reward: float | None = None
    question: str = ""
    team: bool = False
    trial: int = 0

    def actions(self, form: str = "plain") -> tuple[bool, ...]:
        """Whether each message is an action that is scored."""
        return tuple(_is_action(self, index, upstream=form == "upstream") for index in range(len(self.turns)))


def sequences(
    transcript: Transcript, tokenizer: Any, *, form: str = "plain", cap: int | None = None
) -> list[TokenSequence]:
    """Return what the engine scores: the spans of all sequences together are one per message, empty for no action.

    Args:
        transcript: the run.
        tokenizer: of the model that scores; a beginning-of-sequence token comes first if it has one.
        form: a key of :data:`FORMS`.
        cap: for ``upstream`` only, most tokens: the oldest are dropped, the first token with them. In the other forms
            give :class:`~credit_gym.agents.likelihood.passes.Limits` a cap; it loses tokens in the middle, which then
            are missing (NaN) and not 0.

    Raises:
        UnknownNameError: there is no such form.
        CreditGymError: a cap was given to another form than ``upstream``.
    """
    if form not in FORMS:
        raise unknown("form of transcripts", form, FORMS)
    if cap is not None and form != "upstream":
        raise CreditGymError("Only the form 'upstream' takes a cap here; give the others Limits(max_tokens=...).")
    if cap is not None and cap < 1:
        raise CreditGymError(f"A cap must be at least 1 token, not {cap}.")
    return FORMS[form](transcript, tokenizer, cap)


def from_episode(episode: Episode) -> Transcript:
    """Return an episode as observations (``user``) and actions (``assistant``), its goal as the question."""
    turns = [Turn("user", episode.observations[0])]
    for action, observation in zip(episode.actions, episode.observations[1:], strict=True):
        turns += [Turn("assistant", action), Turn("user", observation)]
    return Transcript(
        episode.episode_id, episode.task_id, tuple(turns), reward=float(episode.success), question=episode.goal
    )


def from_log(log: FailureLog) -> Transcript:
    """Return a failure log; hand-crafted ones have the request as their first message, the others as their question."""
    turns = tuple(
        Turn(each.role, each.content, each.agent, environment=each.agent == TERMINAL or (not i and _asks(each.agent)))
        for i, each in enumerate(log.messages)
    )
    question = "" if log.split == HAND_CRAFTED else log.question
    return Transcript(log.id, log.id, turns, question=question, team=True)


def read_simulations(path: Path, *, trial: int | None = None) -> list[Transcript]:
    """Return the conversations of a results file in tau2's format, ungraded ones included.

    Args:
        path: the JSON file, whose ``simulations`` have ``messages``.
        trial: which attempt all of them are; by default what the file says.

    Raises:
        ManifestError: it is missing or is no such file.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["simulations"]
        return [_simulation(each, trial) for each in found]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ManifestError(
            f"{path} is not a results file with simulations: {type(error).__name__}: {error}."
        ) from error


def read_trials(folder: Path, domain: str | None = None) -> list[Transcript]:
    """Return every candidate of a best-of-n folder, ``trial_{i}/{domain}.json``, trial by trial.

    Raises:
        ManifestError: there are no such files, or one is damaged.
    """
    paths = sorted(folder.glob(f"trial_*/{domain or '*'}.json"), key=lambda path: (_trial(path), path.name))
    if not paths:
        raise ManifestError(f"{folder} holds no trial_0/{domain or 'DOMAIN'}.json: give the folder of a best-of-n run.")
    return [each for path in paths for each in read_simulations(path, trial=_trial(path))]


class MessageScores(NamedTuple):
    """What one or two models say of the messages of some transcripts, flat over messages.

    Attributes:
        policy: scores of the policy, one span per message.
        reference: scores of the reference, None without one; its tokens may be others.
        action: (M,) whether each message is an action.
    """

    policy: TokenScores
    reference: TokenScores | None
    action: BoolArray


def message_scores(method: str, scores: MessageScores, *, tokens: str = "mean", upstream: bool = False) -> FloatArray:
    """Return one value per message.

    Token ratios are taken first if both models cut the text into the same tokens, else per message. ``upstream``
    aggregates each model first, gives actions without tokens 0 (certainties leave them out) and has the published sign
    of certainty turned round.

    Args:
        method: a key of :data:`METHODS`.
        scores: of the models.
        tokens: a key of :data:`credit_gym.estimation.token_scores.AGGREGATIONS`.
        upstream: as progress-advantage's code computes it.

    Returns:
        (M,) float64, NaN for messages that are no actions and for actions without a reading.

    Raises:
        UnknownNameError: there is no such method or aggregation.
        CreditGymError: the method needs a reference.
    """
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    values = METHODS[method](scores, tokens, upstream)
    return np.where(scores.action, values, np.nan)


def _advantage(scores: MessageScores, tokens: str, upstream: bool) -> FloatArray:
    policy, reference = scores.policy, _reference(scores)
    same = np.array_equal(policy.offsets, reference.offsets)
    if same and not upstream:
        ratio = policy.logprob.astype(np.float64) - reference.logprob
        return aggregate_tokens(ratio, policy.offsets, tokens)
    return _logprob(policy, tokens, upstream) - _logprob(reference, tokens, upstream)


def _certainty(scores: MessageScores, tokens: str, upstream: bool) -> FloatArray:
    sign = 1.0 if upstream else -1.0
    return aggregate_tokens(sign * scores.policy.top_k_mean.astype(np.float64), scores.policy.offsets, tokens)


def _negative_entropy(scores: MessageScores, tokens: str, upstream: bool) -> FloatArray:
    return aggregate_tokens(-scores.policy.entropy.astype(np.float64), scores.policy.offsets, tokens)


METHODS: dict[str, Callable[[MessageScores, str, bool], FloatArray]] = {
    "progress_advantage": _advantage,
    "policy_logprob": lambda scores, tokens, upstream: _logprob(scores.policy, tokens, upstream),
    "reference_logprob": lambda scores, tokens, upstream: _logprob(_reference(scores), tokens, upstream),
    "self_certainty": _certainty,
    "negative_entropy": _negative_entropy,
}


def _upstream(transcript: Transcript, tokenizer: Any, cap: int | None) -> list[TokenSequence]:
    texts = []
    for index, turn in enumerate(transcript.turns):
        said = turn.content
        if turn.role == "assistant" and not transcript.team:
            calls = "".join(f"\ntool_call({call.name}, {call.arguments!r})" for call in turn.calls)
            said = f"{turn.content}{calls}".strip() or "[assistant action]"
        texts.append(("", ("\n" if index else "") + f"[{turn.role}]: {said}"))
    whole = _joined(tokenizer, "", texts, transcript.actions("upstream"))
    lost = max(0, whole.ids.size - cap) if cap else 0
    spans = ((max(start - lost, 0), max(end - lost, 0)) for start, end in whole.spans)
    return [TokenSequence(whole.ids[lost:], tuple(map(_predicted, spans)))]


def _plain(transcript: Transcript, tokenizer: Any, _: int | None) -> list[TokenSequence]:
    opening = f"[task]: {transcript.question}\n" if transcript.question else ""
    texts = [
        (("\n" if i else "") + f"[{turn.speaker or turn.role}]: ", _said(turn))
        for i, turn in enumerate(transcript.turns)
    ]
    whole = _joined(tokenizer, opening, texts, transcript.actions())
    return [TokenSequence(whole.ids, tuple(map(_predicted, whole.spans)))]


def _chat(transcript: Transcript, tokenizer: Any, _: int | None) -> list[TokenSequence]:
    """One sequence per action; the empty spans of messages before it come first in it."""
    actions = transcript.actions()
    chat = [{"role": "user", "content": transcript.question}] if transcript.question else []
    for turn, action in zip(transcript.turns, actions, strict=True):
        named = f"{turn.speaker}: " if turn.environment and turn.speaker else ""
        chat.append({"role": "assistant" if action else "user", "content": named + _said(turn)})
    found = iter(chat_sequences(ChatTokens(tokenizer), chat))
    result: list[TokenSequence] = []
    empty: list[tuple[int, int]] = []
    for action in actions:
        if action:
            own = next(found)
            result.append(TokenSequence(own.ids, (*empty, *own.spans)))
            empty = []
        else:
            empty.append((0, 0))
    return [*result, TokenSequence(np.zeros(0, dtype=np.int64), tuple(empty))] if empty else result


FORMS: dict[str, Callable[[Transcript, Any, int | None], list[TokenSequence]]] = {
    "plain": _plain,
    "chat": _chat,
    "upstream": _upstream,
}


def _joined(tokenizer: Any, opening: str, texts: Sequence[tuple[str, str]], actions: Sequence[bool]) -> TokenSequence:
    """Headers and bodies, each tokenised by itself, the bodies of actions as spans."""
    ids = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    ids += _ids(tokenizer, opening)
    spans = []
    for (header, body), action in zip(texts, actions, strict=True):
        ids += _ids(tokenizer, header)
        start = len(ids)
        ids += _ids(tokenizer, body)
        spans.append((start, len(ids)) if action else (0, 0))
    return TokenSequence(np.asarray(ids, dtype=np.int64), tuple(spans))


def _ids(tokenizer: Any, text: str) -> list[int]:
    """Text never becomes a special token, whatever it spells."""
    return list(tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)) if text else []


def _predicted(span: tuple[int, int]) -> tuple[int, int]:
    """The part of a span that has something before it."""
    start, end = max(span[0], 1), span[1]
    return (start, end) if end > start else (0, 0)


def _logprob(scores: TokenScores, tokens: str, upstream: bool) -> FloatArray:
    values = aggregate_tokens(scores.logprob.astype(np.float64), scores.offsets, tokens)
    return np.nan_to_num(values) if upstream else values


def _reference(scores: MessageScores) -> TokenScores:
    if scores.reference is None:
        raise CreditGymError("This score compares two models: give a reference.")
    return scores.reference


def _is_action(transcript: Transcript, index: int, *, upstream: bool) -> bool:
    turn = transcript.turns[index]
    if transcript.team:
        request = index == 0 and _asks(turn.role)
        return bool(turn.content.strip()) and not request and (upstream or not turn.environment)
    if turn.role != "assistant":
        return False
    return upstream or (bool(_said(turn)) and not (index == 0 and turn.content.strip() == GREETING and not turn.calls))


def _said(turn: Turn) -> str:
    calls = (
        json.dumps({"name": c.name, "arguments": c.arguments}, ensure_ascii=False, default=str) for c in turn.calls
    )
    return "\n".join([turn.content.strip(), *calls]).strip()


def _asks(name: str) -> bool:
    return name.casefold() == "human"


def _trial(path: Path) -> int:
    number = path.parent.name.partition("_")[2]
    if not number.isdecimal():
        raise ManifestError(f"{path.parent} is not called trial_ and a number.")
    return int(number)


def _simulation(data: Mapping[str, Any], trial: int | None) -> Transcript:
    reward = (data.get("reward_info") or {}).get("reward")
    return Transcript(
        id=str(data.get("id", "")),
        task_id=str(data.get("task_id", data.get("id", ""))),
        turns=tuple(map(_turn, data["messages"])),
        reward=None if reward is None else float(reward),
        trial=int(data.get("trial") or 0) if trial is None else trial,
    )


def _turn(data: Mapping[str, Any]) -> Turn:
    calls = (call.get("function") or call for call in data.get("tool_calls") or ())
    return Turn(
        role=str(data.get("role") or ""),
        content=str(data.get("content") or ""),
        calls=tuple(Call(str(call["name"]), call.get("arguments")) for call in calls),
    )
