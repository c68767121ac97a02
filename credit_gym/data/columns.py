"""The one table of columns: what an episode holds, said once for everybody who records, stores, scores or shows it.

A column is one entry here and whoever fills it. From this table come the fields of :class:`~credit_gym.data.episode.
Episode` and :class:`~credit_gym.data.batch.EpisodeBatch`, what the recorder reads, what the store keeps, what the turn
and episode tables of an export hold, what an imported transcript may bring, what the report shows of a step, and
``docs/columns.md``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["episode", "step", "point", "token"]
"""How many values an episode of T steps has: one, T, T+1 (before each step and after the last), one a token of a step's
action."""

Type = Literal["text", "texts", "number", "integer", "integers", "flag", "messages", "calls", "mapping"]
"""What a value is. ``messages`` is a chat: mappings with ``role`` and ``content``, and ``tool_calls`` or
``tool_call_id`` as OpenAI writes them. ``calls`` are tool calls: mappings with ``id``, ``name`` and ``arguments`` (a
mapping, or what was written where that is no JSON object; :mod:`credit_gym.data.calls`)."""

_MISSING: dict[str, Any] = {
    "text": "",
    "texts": (),
    "number": math.nan,
    "integer": -1,
    "integers": (),
    "flag": False,
    "messages": (),
    "calls": (),
}
_WORDS = {"text": "str", "number": "float", "integer": "int", "flag": "bool", "mapping": "mapping"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column.

    Attributes:
        name: field of an Episode.
        kind: how many values there are, see :data:`Kind`.
        type: what a value is.
        meaning: what it says, in one line that ends in no stop.
        unit: of a number, empty where it has none.
        required: whether every episode must have it; any other one is None where it was not recorded.
        default: of an optional column that an episode has once.
        batch: field of an EpisodeBatch; empty where scorers do not see it. Texts are ids there, their vocabulary is
            ``<batch>_vocabulary``.
        recorded_by: who records it, as an error names it.
        info: key of an environment's info that the recorder reads; empty for none.
        read: whether the value of a step stands in the info that came before or after its action.
        answer: attribute of an :class:`~credit_gym.agents.core.Action` that the recorder reads; empty for none.
        export: column of the exported turn table (of the episode table, where an episode has it once); empty for none.
        stored: name of the codec that stores it, where it is not its type's own (:mod:`credit_gym.store.codecs`).
        shown: label under which the report shows it at a step; empty where it is not shown or has a place of its own.
    """

    name: str
    kind: Kind
    type: Type
    meaning: str
    unit: str = ""
    required: bool = False
    default: Any = None
    batch: str = ""
    recorded_by: str = "the environment"
    info: str = ""
    read: Literal["before", "after"] = "after"
    answer: str = ""
    export: str = ""
    stored: str = ""
    shown: str = ""

    @property
    def missing(self) -> Any:
        """What stands at a step where nothing was recorded though other steps have a value."""
        return () if self.kind == "token" else _MISSING[self.type]

    @property
    def nullable(self) -> bool:
        """Whether an episode may be without it."""
        return not self.required and self.default is None and self.type != "mapping"

    @property
    def extra(self) -> int:
        """How many values there are beyond one a step."""
        return int(self.kind == "point")

    @property
    def shape(self) -> str:
        """The shape in words, such as ``(T,) float``."""
        word = _WORDS.get(self.type, self.type)
        return {
            "episode": word,
            "step": f"(T,) {word}",
            "point": f"(T+1,) {word}",
            "token": f"(T,) tuples of {word}, one a token",
        }[self.kind]


COLUMNS: tuple[Column, ...] = (
    Column(name="episode_id", kind="episode", type="text", required=True, export="episode_id", stored="key",
           recorded_by="whoever plays", meaning="unique within a run"),
    Column(name="env_id", kind="episode", type="text", required=True, export="env_id",
           meaning="Gymnasium id of the environment"),
    Column(name="task_id", kind="episode", type="text", required=True, batch="task", export="task_id",
           meaning="the task instance that was played"),
    Column(name="group_id", kind="episode", type="text", required=True, batch="group", export="group_id",
           recorded_by="whoever plays",
           meaning="the rollouts of one task from one policy that this episode is compared within"),
    Column(name="agent_id", kind="episode", type="text", default="", export="agent_id", recorded_by="whoever plays",
           meaning="who played"),
    Column(name="goal", kind="episode", type="text", default="", export="goal", meaning="the task's goal in words"),
    Column(name="exact_verifier", kind="episode", type="flag", default=False, batch="exact_verifier",
           export="exact_verifier",
           meaning="the environment declares its verifier's readings to be the change of an exact potential"),
    Column(name="seed", kind="episode", type="integer", export="seed", stored="unsigned", recorded_by="whoever plays",
           meaning="seed of the reset, None if it was not given"),
    Column(name="success", kind="episode", type="flag", required=True, batch="success", export="success",
           meaning="whether the task was solved"),
    Column(name="terminated", kind="episode", type="flag", required=True, batch="terminated", export="terminated",
           meaning="the environment ended the episode"),
    Column(name="truncated", kind="episode", type="flag", required=True, batch="truncated", export="truncated",
           meaning="a limit ended the episode; never the same thing as failure"),
    Column(name="error", kind="episode", type="text", export="error", stored="optional text",
           recorded_by="whoever plays",
           meaning="why the episode failed to complete (a server, a budget), None if it completed"),
    Column(name="usage", kind="episode", type="mapping", recorded_by="an agent with a language model",
           meaning="totals such as tokens, seconds, dollars"),
    Column(name="extras", kind="episode", type="text", stored="optional text",
           recorded_by="the reader of a file that has more to say",
           meaning="what an imported file says beyond the columns, as JSON; an export in its format says it again"),
    Column(name="state_keys", kind="point", type="text", required=True, batch="state", info="state_key",
           export="state_key", meaning="stable hash of the true state; the observation where there is none"),
    Column(name="observations", kind="point", type="text", required=True, export="observation",
           meaning="what the agent saw, the last one after the final action"),
    Column(name="actions", kind="step", type="text", required=True, batch="action", export="action",
           recorded_by="whoever plays", meaning="text as it was sent to the environment"),
    Column(name="rewards", kind="step", type="number", required=True, batch="reward", export="reward",
           meaning="reward of the environment, finite"),
    Column(name="verifier", kind="step", type="number", batch="verifier", info="verifier", export="verifier",
           recorded_by="RecordVerifier",
           meaning="verifier signal of the transition, NaN where there was no reading"),
    Column(name="advantages", kind="step", type="number", batch="advantage", export="advantage",
           recorded_by="credit_gym.exact.oracle.annotate",
           meaning="exact advantage, NaN where no oracle knows it"),
    Column(name="roles", kind="step", type="text", batch="role", info="role", read="before", export="role",
           recorded_by="a multi-agent environment", meaning="role that acted"),
    Column(name="admissible_actions", kind="step", type="texts", info="admissible_actions", read="before",
           export="admissible", meaning="actions that the environment offered before the step"),
    Column(name="messages", kind="step", type="messages", answer="messages", export="messages",
           recorded_by="an agent with a language model", meaning="chat that the action answered"),
    Column(name="prompt_token_ids", kind="step", type="integers", answer="prompt_token_ids",
           export="prompt_token_ids", stored="growing", recorded_by="an agent whose backend gives token ids",
           meaning="tokens of that chat"),
    Column(name="token_ids", kind="token", type="integer", answer="token_ids", export="token_ids",
           recorded_by="an agent whose backend gives token ids", meaning="tokens that were sampled as the action"),
    Column(name="policy_logprobs", kind="token", type="number", unit="nats", batch="policy_logprob",
           answer="logprobs", export="logprobs", recorded_by="an agent that returns log-probabilities",
           meaning="log-probability of each token of the action under the policy"),
    Column(name="decodings", kind="step", type="text", answer="decoding", export="decoding",
           recorded_by="an agent with a language model",
           meaning="how the model's text became the action: free, exact, constrained, nearest, or cut before it"),
    Column(name="replies", kind="step", type="text", answer="reply", export="reply",
           recorded_by="an agent with a language model",
           meaning="what the model wrote, before it was read as an action"),
    Column(name="thoughts", kind="step", type="text", answer="thought", export="thought",
           recorded_by="an agent with a language model",
           meaning="reasoning that came with the reply and is no part of the action"),
    Column(name="finish_reasons", kind="step", type="text", answer="finish_reason", export="finish_reason",
           recorded_by="an agent with a language model",
           meaning="why the reply ended: stop, tool_calls, length (cut short), content_filter, refusal, or a backend's "
                   "own word"),
    Column(name="tool_calls", kind="step", type="calls", answer="tool_calls", export="tool_calls",
           recorded_by="an agent whose backend calls tools", meaning="tool calls that the action consists of"),
    Column(name="expert_actions", kind="step", type="texts", info="expert_actions", read="before",
           meaning="optimal (or expert) actions before the step, where the environment knows them"),
    Column(name="human_labels", kind="step", type="number", recorded_by="a file that people labelled",
           meaning="what a person said of the step: 1 it helps, 0, -1 it harms; NaN where nobody did"),
    Column(name="invalid", kind="step", type="flag", batch="invalid", info="invalid",
           meaning="whether the action was refused"),
    Column(name="parents", kind="step", type="integer", batch="parent", recorded_by="ReplayTree",
           meaning="parent node in a replay tree, -1 at the root"),
    Column(name="segments", kind="step", type="integer", batch="segment", info="segment", export="segment",
           shown="sub-goal", recorded_by="an environment or a wrapper that reads the agent's sub-goals",
           meaning="number of the sub-goal that the action served, -1 where none was recorded"),
    Column(name="log_belief", kind="point", type="number", unit="nats", batch="log_belief", info="log_belief",
           recorded_by="RecordBelief",
           meaning="log-probability that the agent gave to the truth, NaN where not recorded"),
    Column(name="distractor_log_belief", kind="point", type="number", unit="nats", batch="distractor_log_belief",
           info="distractor_log_belief", recorded_by="RecordBelief with distractors",
           meaning="logarithm of the summed belief in wrong answers"),
    Column(name="anchor_log_belief", kind="point", type="number", unit="nats", batch="anchor_log_belief",
           info="anchor_log_belief", recorded_by="RecordBelief with an anchor model",
           meaning="log-belief in the truth of a slowly following copy of the agent"),
    Column(name="values", kind="point", type="number", batch="value", recorded_by="an agent with a critic",
           shown="value", meaning="value of a critic"),
    Column(name="reference_logprobs", kind="token", type="number", unit="nats", batch="reference_logprob",
           recorded_by="the likelihood room with a reference model",
           meaning="the same tokens' log-probabilities under a reference model"),
    Column(name="policy_entropies", kind="token", type="number", unit="nats", batch="policy_entropy",
           recorded_by="the likelihood room", meaning="entropy of the policy at those tokens"),
    Column(name="policy_kls", kind="token", type="number", unit="nats", batch="policy_kl",
           recorded_by="the likelihood room with a reference model",
           meaning="divergence KL(policy || reference) at those tokens"),
    Column(name="policy_top_logprobs", kind="token", type="number", unit="nats", batch="policy_top_logprob",
           recorded_by="the likelihood room",
           meaning="mean of the policy's largest log-probabilities at those tokens"),
)  # fmt: skip
"""Every column, in the order of the exported tables."""


def of_kind(*kinds: Kind) -> tuple[Column, ...]:
    """Return the columns of some kinds, in the order of the table."""
    return tuple(column for column in COLUMNS if column.kind in kinds)


def describe(columns: Iterable[Column]) -> str:
    """Return the lines of a docstring's ``Attributes`` section for some columns, under their names in an Episode."""
    return "\n".join(f"        {c.name}: {c.shape}, {c.meaning}{f' ({c.unit})' if c.unit else ''}." for c in columns)
