"""verl 0.9's agent loop over our environments: one row of the data is one group, played and credited as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import gymnasium as gym

import credit_gym.agents.learning.verl_plugin  # noqa: F401 - registers the estimator, checks the version
from credit_gym import rng
from credit_gym.agents.core import Context
from credit_gym.agents.learning.conversations import Conversations, check_growing
from credit_gym.agents.learning.playing import Seat, seated
from credit_gym.agents.learning.trusting import remembering
from credit_gym.agents.learning.verl_output import CreditAgentLoopOutput, episode_output, versions_of
from credit_gym.agents.llm.chat_tokens import ChatTokens
from credit_gym.agents.llm.completion import Completion, Request
from credit_gym.agents.llm.prompting import load_prompting
from credit_gym.agents.rollout.turns import go_on
from credit_gym.credit.assign import build_targets
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError
from credit_gym.scorers import DEFAULT
from credit_gym.wrappers import RecordVerifier

from verl.experimental.agent_loop.agent_loop import AgentLoopBase  # isort: skip - after the version check


class CreditGymAgentLoop(AgentLoopBase):  # type: ignore[misc, unused-ignore]  # likewise
    """Plays a group of episodes of one task and credits every turn by a registered scorer.

    The groups are whole here, so keep ``actor_rollout_ref.rollout.n`` at 1 and set ``group_size`` in the loop's
    configuration. Rows come from :func:`credit_gym.formats.verl.write_tasks`.

    Args:
        arguments: see ``AgentLoopBase``.
        scorer: a registered scorer. It sees a group at a time; what the groups of a process taught of the verifier is
            told to it with the next one, if it has the option ``trust`` and that is not given.
        options: its keyword options, and ``key``, what states are pooled by.
        group_size: episodes of a task.
        prompting: a name or a YAML file; its chat may only grow; the temperature is verl's.
        env_args: arguments of the environment.
        seed: fixes tasks and environments; the servers sample by their own numbers.
        others: see ``AgentLoopBase``.
    """

    def __init__(
        self,
        *arguments: Any,
        scorer: str = DEFAULT,
        options: Mapping[str, Any] | None = None,
        group_size: int = 8,
        prompting: str = "plain",
        env_args: Mapping[str, Any] | None = None,
        seed: int = 0,
        **others: Any,
    ) -> None:
        super().__init__(*arguments, **others)
        own = dict(options or {})
        self._key = own.pop("key", "state")
        self._scorer = remembering(scorer, own)  # verl makes a loop for every row
        self._group_size, self._seed = group_size, seed
        self._env_args = dict(env_args or {})
        self._chat = ChatTokens(self.tokenizer)
        asked = load_prompting(prompting)
        check_growing(asked)
        self._chats = Conversations(asked, self._chat.text)
        self._versions: set[int] = set()

    async def run(self, sampling_params: dict[str, Any], **row: Any) -> list[CreditAgentLoopOutput]:
        """Play the group of one row.

        Raises:
            CreditGymError: no episode of it completed.
        """
        info = row["extra_info"]
        task, step = int(info["index"]), int(row.get("global_steps", 0))
        seats = [
            Seat(rng.derive(self._seed, task, step, member), f"{task}-{step}-{member}", f"{task}-{step}", task)
            for member in range(self._group_size)
        ]
        played = await asyncio.gather(*(self._play(info["env_id"], seat, sampling_params) for seat in seats))
        completed = [episode for episode in played if episode.error is None]
        if not completed:
            raise CreditGymError(f"No episode of task {task} completed; the first one says: {played[0].error}")
        targets = iter(build_targets(completed, self._scorer, key=self._key))
        room = self.rollout_config.response_length
        versions = self._versions or {step - 1}  # the weights of a step that waits for its rollouts
        return [
            episode_output(episode, [next(targets).credit for _ in range(len(episode))], versions, room)
            for episode in completed
        ]

    async def _play(self, env_id: str, seat: Seat, sampling: Mapping[str, Any]) -> Episode:
        """Play one episode; the environment steps in a thread, so that it holds nobody up."""
        env: gym.Env[str, str] = RecordVerifier(gym.make(env_id, **self._env_args))
        server = uuid4().hex  # one episode stays on one server, whose prefix cache knows it
        turns = seated(env, "verl", seat)
        try:
            moment: Context | Episode = await asyncio.to_thread(go_on, turns, None)
            while isinstance(moment, Context):
                completion = await self._complete(server, self._chats.asked(moment), sampling)
                moment = await asyncio.to_thread(go_on, turns, self._chats.answered(moment, completion))
        finally:
            env.close()
        return moment

    async def _complete(self, server: str, request: Request, sampling: Mapping[str, Any]) -> Completion:
        prompt = self._chat.prompt(request.messages).ids
        output = await self.server_manager.generate(
            request_id=server,
            prompt_ids=list(prompt),
            sampling_params={**sampling, "max_tokens": request.max_tokens},
        )
        self._versions |= versions_of(output)
        return Completion(
            text=self._chat.text(output.token_ids),
            prompt_token_ids=prompt,
            token_ids=tuple(output.token_ids),
            logprobs=tuple(output.log_probs or ()),
        )
