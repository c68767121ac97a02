"""Finished episodes to be scored: a stored run, a file of tau2 or a best-of-n folder, as one batch with its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import FloatArray
from credit_gym.errors import CreditGymError
from credit_gym.estimation.modes import Mode

if TYPE_CHECKING:
    from credit_gym.agents.likelihood.language_model import LanguageModel
    from credit_gym.agents.likelihood.transcripts import Transcript
    from credit_gym.baselines.protocol.compute import Executor


class Recorded(NamedTuple):
    """Finished episodes and what is known of them.

    Attributes:
        batch: the episodes, with every token column if there are a policy and a reference.
        graded: name of each reward model -> its (E,) grades.
        mode: ``upstream`` if the text is as upstream's code has it; scores then are too.
    """

    batch: EpisodeBatch
    graded: Mapping[str, FloatArray]
    mode: Mode


def recorded_episodes(
    policy: str = "",
    reference: str = "",
    *,
    run: str = "",
    tau2: Path | None = None,
    trials: Path | None = None,
    form: str = "",
    reward_models: Sequence[str] = (),
    executor: Executor | None = None,
) -> Recorded:
    """Return finished episodes, scored by two models of one vocabulary, by reward models, or by both.

    A run whose tokens were recorded is scored on those; everything else on its text.

    Args:
        policy: ``hf:PATH``; with ``reference``, or neither where there are reward models.
        reference: ``hf:PATH``.
        run: id or folder of a stored run.
        tau2: a results file of tau2; ungraded conversations are left out.
        trials: a best-of-n folder, ``trial_{i}/{domain}.json``.
        form: how text becomes tokens; by default ``chat`` if the policy has a chat template, else ``plain``.
        reward_models: specs for :func:`credit_gym.agents.likelihood.reward_models.parse_reward_model`.
        executor: who computes log-probabilities; this process by default.

    Raises:
        CreditGymError: not exactly one source is given, a source is damaged, or nothing in it was graded.
    """
    if bool(policy) != bool(reference) or not (policy or reward_models):
        raise CreditGymError(
            "Scoring recorded episodes needs --policy hf:PATH and --reference hf:PATH, or a --reward-model alone."
        )
    if sum(map(bool, (run, tau2, trials))) != 1:
        raise CreditGymError("Give exactly one of --run, --tau2 and --trials: the episodes that are to be scored.")
    from credit_gym.agents.likelihood.reward_models import parse_reward_model
    from credit_gym.agents.likelihood.transcripts import read_simulations, read_trials

    episodes = stored_episodes(run) if run else []
    read = read_simulations(tau2) if tau2 else read_trials(trials) if trials else map(unfinished, episodes)
    found = [transcript for transcript in read if transcript.reward is not None]
    if not found:
        raise CreditGymError("There is nothing to score: no episode in it is complete and graded.")
    mode: Mode = "upstream" if form == "upstream" else "default"
    models = [parse_reward_model(spec) for spec in reward_models]
    graded = {model.name: model.grade(found, mode=mode) for model in models}
    if not policy:
        return Recorded(_as_batch(found, form or "plain", {}, ()), graded, mode)
    pair = language_model(policy), language_model(reference)
    if not form and episodes and all(e.token_ids is not None and e.prompt_token_ids is not None for e in episodes):
        from credit_gym.agents.likelihood.recorded import with_policy_scores, with_reference_scores

        compute, diverge = (executor.compute, executor.diverge) if executor else (None, None)
        scored = with_policy_scores(pair[0], episodes, compute=compute)
        scored = with_reference_scores(pair[1], scored, policy=pair[0], compute=compute, diverge=diverge)
        return Recorded(EpisodeBatch.from_episodes(scored), graded, mode)
    return Recorded(_text_batch(found, *pair, form, executor), graded, mode)


def stored_episodes(run: str) -> list[Episode]:
    """Return the episodes of a stored run that ended without an error.

    Args:
        run: its id or folder.

    Raises:
        CreditGymError: there is no such run, or it is a sweep.
    """
    from credit_gym.store.folders import open_run

    store, name = open_run(run, Path("runs"))
    if name.startswith("group_"):
        raise CreditGymError(f"{name} is a sweep: give one of its runs.")
    return [episode for episode in store.load_episodes(name) if episode.error is None]


def language_model(spec: str) -> LanguageModel:
    """Return the model of a spec ``hf:PATH`` for scoring; nothing is loaded yet.

    Raises:
        CreditGymError: the spec names no such model.
    """
    from credit_gym.agents.likelihood.language_model import LanguageModel

    kind, _, path = spec.partition(":")
    if kind != "hf" or not path:
        raise CreditGymError(f"Scoring needs a model's own probabilities: give hf:PATH, not {spec!r}.")
    return LanguageModel(path)


def unfinished(episode: Episode) -> Transcript:
    """Return an episode as messages up to its last action; what the environment says then often gives the outcome away.

    Log-probabilities of actions do not depend on it, grades of reward models would.
    """
    from credit_gym.agents.likelihood.transcripts import from_episode

    whole = from_episode(episode)
    return replace(whole, turns=whole.turns[:-1])


def _text_batch(
    found: Sequence[Transcript], policy: LanguageModel, reference: LanguageModel, form: str, executor: Executor | None
) -> EpisodeBatch:
    from credit_gym.agents.likelihood.divergence import token_divergence
    from credit_gym.agents.likelihood.logprobs import score_tokens
    from credit_gym.agents.likelihood.transcript_tokens import UPSTREAM_CAP, sequences

    form = form or ("chat" if policy.tokenizer.chat_template else "plain")
    cap = UPSTREAM_CAP if form == "upstream" else None
    rendered = [each for transcript in found for each in sequences(transcript, policy.tokenizer, form=form, cap=cap)]
    compute, diverge = (executor.compute, executor.diverge) if executor else (None, None)
    own, other = (score_tokens(lm, rendered, compute=compute) for lm in (policy, reference))
    columns = {
        "policy_logprobs": own.logprob,
        "policy_entropies": own.entropy,
        "policy_top_logprobs": own.top_k_mean,
        "reference_logprobs": other.logprob,
        "policy_kls": token_divergence(policy, reference, rendered, compute=diverge),
    }
    return _as_batch(found, form, columns, list(pairwise(own.offsets)))


def _as_batch(
    found: Sequence[Transcript], form: str, columns: Mapping[str, Any], spans: Sequence[tuple[int, int]]
) -> EpisodeBatch:
    """The transcripts as episodes; a span of the columns for every message."""
    ends = np.cumsum([0, *(len(transcript.turns) for transcript in found)])
    return EpisodeBatch.from_episodes(
        _as_episode(transcript, form, spans[start:end], columns)
        for transcript, (start, end) in zip(found, pairwise(ends), strict=True)
    )


def _as_episode(
    transcript: Transcript, form: str, spans: Sequence[tuple[int, int]], columns: Mapping[str, Any]
) -> Episode:
    """The actions of a transcript as steps; what was said between them is not needed any more."""
    steps = [index for index, action in enumerate(transcript.actions(form)) if action]
    own: Any = {
        name: tuple(tuple(map(float, flat[slice(*spans[index])])) for index in steps) for name, flat in columns.items()
    }
    success = (transcript.reward or 0.0) >= 1.0
    blank = ("",) * (len(steps) + 1)
    return Episode(
        env_id="recorded",
        task_id=transcript.task_id,
        group_id=transcript.task_id,
        episode_id=f"{transcript.trial}-{transcript.task_id}-{transcript.id}",
        observations=blank,
        state_keys=blank,
        actions=tuple(transcript.turns[index].content for index in steps),
        rewards=(*(0.0,) * (len(steps) - 1), transcript.reward or 0.0)[-len(steps) :] if steps else (),
        success=success,
        terminated=True,
        truncated=False,
        **own,
    )
