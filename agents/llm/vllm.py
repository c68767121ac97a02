"""A model that vLLM runs in this process: the same chats, token ids in and out, at its speed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from credit_gym import rng
from credit_gym.agents.llm.completion import MOST_ALTERNATIVES, Completion, Position, Request
from credit_gym.agents.llm.model_paths import check_path
from credit_gym.errors import BackendError, missing_extra

if TYPE_CHECKING:
    from credit_gym.agents.llm.chat_tokens import ChatTokens


class VLLMBackend:
    """Answers chats with a causal language model that vLLM runs in this process.

    Chats are rendered, and tool calls read, as :class:`~credit_gym.agents.llm.hf.HuggingFaceBackend` does it; chats are
    sent as token ids. The sampling is vLLM's own, seeded by each request. For answers kept to choices vLLM reports
    log-probabilities among the tokens that the choices allow; so those are scored once more, and all log-probabilities
    are the model's.

    vLLM runs without a process of its own (``VLLM_ENABLE_V1_MULTIPROCESSING=0``, unless that is set), which
    starts sooner and schedules the same way every time. It has a thread of its own, whoever calls: on a CPU it fails
    when threads with other OpenMP settings enter it. There it also runs eagerly and reads every prompt in one piece (it
    rewinds the generator of a seeded request between pieces, which PyTorch's on a CPU does not know), and
    ``VLLM_CPU_KVCACHE_SPACE`` is its memory in GiB.

    Args:
        path: a folder that ``save_pretrained`` wrote, or a name on the Hugging Face hub where that can be reached.
        dtype: such as ``float32``; None is float32 on the CPU and the model's own elsewhere.
        chat_template: a Jinja template in place of the model's own; :data:`credit_gym.agents.llm.chat_tokens.PLAIN` for
            base models.
        trust_remote_code: run code that comes with the model; weights that are pickles are never read.
        vllm_options: further arguments of ``vllm.LLM``, such as ``max_model_len`` or ``tensor_parallel_size``.

    Attributes:
        llm: the ``vllm.LLM``.
        chat: how chats become tokens.

    Raises:
        MissingExtraError: vllm is not installed.
        BackendError: there is no such model, or it has no chat template.
    """

    def __init__(
        self,
        path: str,
        *,
        dtype: str | None = None,
        chat_template: str | None = None,
        trust_remote_code: bool = False,
        **vllm_options: Any,
    ) -> None:
        check_path(path)
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        try:
            import vllm
            from vllm.platforms import current_platform
            from vllm.sampling_params import StructuredOutputsParams
        except ImportError:
            raise missing_extra("vllm", "vllm") from None
        from credit_gym.agents.llm.chat_tokens import ChatTokens

        self.path = str(path)
        on_cpu = current_platform.is_cpu()
        options = {
            "dtype": dtype or ("float32" if on_cpu else "auto"),
            "enforce_eager": on_cpu,
            "enable_chunked_prefill": not on_cpu,
            "load_format": "safetensors",
        }
        options |= {**vllm_options, "trust_remote_code": trust_remote_code}
        if trust_remote_code:
            warnings.warn(f"Code that comes with {path!r} is run, as trust_remote_code asks for it.", stacklevel=2)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="vllm")
        try:
            self.llm = self._thread.submit(vllm.LLM, model=self.path, **options).result()
        except (OSError, ValueError) as error:
            said = str(error).strip().partition("\n")[0]
            raise BackendError(
                f"vLLM cannot load {self.path!r} ({said}): give a folder that save_pretrained wrote, or a name on the "
                "hub where that can be reached."
            ) from None
        config = self.llm.model_config
        self.chat = ChatTokens(self.llm.get_tokenizer(), chat_template, vocabulary=config.get_vocab_size())
        self._sampling, self._constraint = vllm.SamplingParams, StructuredOutputsParams
        self._positions = int(config.max_model_len)
        self._failure = ""

    @property
    def name(self) -> str:
        """``vllm:`` and the path."""
        return f"vllm:{self.path}"

    @property
    def takes_tools(self) -> bool:
        """Whether the chat template shows tools, calls and their results."""
        return self.chat.takes_tools

    def complete(self, requests: Sequence[Request], /) -> list[Completion]:
        """Answer each request, in order.

        Raises:
            BackendError: a chat leaves the model no room to answer, the chat template refuses it, or vLLM failed.
        """
        prompts = [
            (*self.chat.prompt(request.messages, request.tools).ids, *self.chat.text_ids(request.opening))
            for request in requests
        ]
        parameters = [
            self._parameters(
                request, self.chat.room(prompt, request.max_tokens, self._positions - bool(request.choices))
            )
            for request, prompt in zip(requests, prompts, strict=True)
        ]
        outputs = self._generate(prompts, parameters)
        answers = [
            _completion(self.chat, request, prompt, output.outputs[0])
            for request, prompt, output in zip(requests, prompts, outputs, strict=True)
        ]
        chosen = [index for index, request in enumerate(requests) if request.choices]
        for index, logprobs in zip(chosen, self._logprobs([answers[index] for index in chosen]), strict=True):
            answers[index] = replace(answers[index], logprobs=logprobs)
        return answers

    def _generate(self, prompts: Sequence[Sequence[int]], parameters: Any) -> Any:
        if self._failure:  # what was left in it would keep it busy for ever
            raise BackendError(f"{self.name} failed earlier and cannot go on ({self._failure}): load it again.")
        given = [{"prompt_token_ids": list(ids)} for ids in prompts]
        try:
            return self._thread.submit(self.llm.generate, given, parameters, use_tqdm=False).result()
        except Exception as error:
            self._failure = f"{type(error).__name__}: {error}".strip().partition("\n")[0]
            raise BackendError(f"{self.name} failed: {self._failure}.") from error

    def _logprobs(self, answers: Sequence[Completion]) -> list[tuple[float, ...]]:
        """The log-probabilities of answers, read as parts of prompts; vLLM must generate one token beyond."""
        if not answers:
            return []
        read = self._sampling(temperature=0.0, max_tokens=1, prompt_logprobs=0, detokenize=False)
        outputs = self._generate([(*answer.prompt_token_ids, *answer.token_ids) for answer in answers], read)
        return [
            _sampled(output.prompt_logprobs[len(answer.prompt_token_ids) :], answer.token_ids)
            for output, answer in zip(outputs, answers, strict=True)
        ]

    def _parameters(self, request: Request, room: int) -> Any:
        end = self.chat.end_of_turn
        return self._sampling(
            temperature=request.temperature,
            max_tokens=room,
            seed=rng.derive(request.seed, request.repetition) >> 1,  # vLLM wants 63 bits
            stop=list(request.stop),
            stop_token_ids=[] if end is None else [end],
            logprobs=min(request.top_logprobs, MOST_ALTERNATIVES),  # 0: of the sampled token alone
            structured_outputs=self._constraint(choice=list(request.choices)) if request.choices else None,
        )


def _completion(chat: ChatTokens, request: Request, prompt: tuple[int, ...], answer: Any) -> Completion:
    ids = tuple(answer.token_ids)
    ended = isinstance(answer.stop_reason, str)  # by a stop text, which stands among the tokens
    calls = () if ended or request.choices else chat.calls(ids, request.tools)
    return Completion(
        text=answer.text,
        prompt_token_ids=prompt,
        token_ids=ids,
        logprobs=_sampled(answer.logprobs, ids),
        usage={"prompt_tokens": len(prompt), "completion_tokens": len(ids)},
        finish_reason="tool_calls" if calls and answer.finish_reason == "stop" else str(answer.finish_reason),
        tool_calls=calls,
        constrained=bool(request.choices) and answer.finish_reason == "stop",
        positions=() if request.choices else _positions(answer.logprobs, ids, request.top_logprobs),
    )


def _positions(places: Sequence[Any], ids: Sequence[int], wanted: int) -> tuple[Position, ...]:
    """The likeliest tokens of each place; vLLM adds the sampled one where it is not among them."""
    if not wanted:
        return ()
    ranked = [sorted(place.values(), key=lambda each: each.rank)[: min(wanted, MOST_ALTERNATIVES)] for place in places]
    return tuple(
        Position(str(place[token].decoded_token), tuple((str(e.decoded_token), float(e.logprob)) for e in likeliest))
        for place, token, likeliest in zip(places, ids, ranked, strict=True)
    )


def _sampled(places: Sequence[Any], ids: Sequence[int]) -> tuple[float, ...]:
    return tuple(float(place[token].logprob) for place, token in zip(places, ids, strict=True))
