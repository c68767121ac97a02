"""The solver that plays one of our environments under inspect_ai, and leaves the episode in its sample's store."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import gymnasium as gym

from credit_gym import rng
from credit_gym.agents.core import Action, Context
from credit_gym.agents.harnesses.inspect_chats import GrowingChat, completion, tools
from credit_gym.agents.llm.prompting import Prompting, load_prompting, request
from credit_gym.agents.llm.reading import read_action
from credit_gym.agents.rollout.turns import Turns, cut_short, episode_turns, go_on
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError, missing_extra
from credit_gym.formats.inspect_log import STORE_KEY, played_record
from credit_gym.wrappers import RecordVerifier

try:
    import anyio.to_thread
    from inspect_ai.model import ChatMessageUser, GenerateConfig, get_model
    from inspect_ai.solver import Generate, Solver, TaskState, solver
    from inspect_ai.util import LimitExceededError
except ModuleNotFoundError as error:
    raise missing_extra(error.name or "inspect_ai", "inspect") from None


@solver  # type: ignore[untyped-decorator, unused-ignore]
def play(env: str, seed: int = 0, prompting: str = "plain", env_args: Mapping[str, Any] | None = None) -> Solver:
    """Play the sample's task, turn by turn, with the model that is evaluated.

    Sampling is inspect's own (``--temperature``, ``--max-tokens``, ``--seed``); tools of the game are offered and
    called as such. The task is ``metadata["task"]`` of the sample, and an epoch has the seed
    ``rng.derive(seed, task, epoch)``. Where the environment has no ``num_tasks`` its seed is the task, and all epochs
    have the same. What a limit of inspect's cuts short is truncated; any other failure is the sample's, and what was
    played before it is kept either way.

    Args:
        env: the environment's Gymnasium id.
        seed: fixes tasks and environments.
        prompting: a name or a YAML file: how the model is asked and read.
        env_args: arguments of the environment.
    """
    asked = load_prompting(prompting)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        game: gym.Env[str, str] = RecordVerifier(gym.make(env, **(env_args or {})))
        task, has_tasks = int(state.metadata["task"]), game.has_wrapper_attr("num_tasks")
        turns = episode_turns(
            game,
            agent_id=str(state.model),
            seed=rng.derive(seed, task, state.epoch) if has_tasks else rng.derive(seed, task),
            episode_id=f"{state.sample_id}-{state.epoch}",
            group_id=str(state.sample_id),
            options={"task": task} if has_tasks else None,
        )
        seat = _Seat(state, turns, asked)
        try:
            await seat.play()
        finally:
            episode = seat.episode()
            state.store.set(STORE_KEY, played_record(episode, seat.replies[: len(episode)]))
            game.close()
        if episode.error is not None:
            raise CreditGymError(f"The episode of sample {state.sample_id} did not complete: {episode.error}")
        state.completed = True
        return state

    return solve


class _Seat:
    """One sample: where its episode stands, and what was said so far."""

    def __init__(self, state: TaskState, turns: Turns, prompting: Prompting) -> None:
        self.replies: list[str] = []
        self._state, self._turns, self._prompting = state, turns, prompting
        self._chat = GrowingChat()
        self._model = get_model()
        self._moment: Context | Episode | None = None
        self._cut = False

    async def play(self) -> None:
        """Play to the end, or until something is raised."""
        await self._go_on(None)
        while isinstance(self._moment, Context):
            try:
                answer: Action | Exception = await self._answer(self._moment)
            except LimitExceededError:
                raise
            except Exception as error:  # noqa: BLE001 - it ends the episode and is recorded there
                answer = error
            await self._go_on(answer)

    def episode(self) -> Episode:
        """Return the episode: as it ended, or what there is of it where a limit stopped it under way."""
        if isinstance(self._moment, Episode):
            return self._moment
        return cut_short(self._turns)

    async def _go_on(self, answer: Action | Exception | None) -> None:
        await anyio.to_thread.run_sync(partial(self._advance, answer))  # an environment may wait for something

    def _advance(self, answer: Action | Exception | None) -> None:
        self._moment = go_on(self._turns, answer)
        if isinstance(self._moment, Episode):
            with suppress(LimitExceededError):
                self._state.messages.append(ChatMessageUser(content=self._moment.observations[-1]))

    async def _answer(self, context: Context) -> Action:
        asked = request(context, self._prompting, 0)
        self._state.messages = self._chat.messages(asked.messages, self.replies)
        output = await self._model.generate(
            list(self._state.messages),
            tools=tools(asked.tools),
            config=GenerateConfig(stop_seqs=list(asked.stop)) if asked.stop else GenerateConfig(),
        )
        answered = completion(output)
        self._state.output = output
        self._state.messages.append(output.message)
        self.replies.append(output.message.id or "")
        return read_action(answered, context, self._prompting)
