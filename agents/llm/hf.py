"""A Hugging Face model in this process: many chats in one batch, each answer as if it were alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from credit_gym import rng
from credit_gym.agents.llm.completion import MOST_ALTERNATIVES, Completion, Position, Request
from credit_gym.errors import BackendError, missing_extra

try:
    import torch
    from transformers import AutoModelForCausalLM, DynamicCache
    from transformers.cache_utils import DynamicLayer

    from credit_gym.agents.llm.chat_tokens import ChatTokens
    from credit_gym.agents.llm.padded import PaddedRows
    from credit_gym.agents.llm.pretrained import load_model, load_tokenizer
    from credit_gym.agents.llm.resident import ResidentRows
    from credit_gym.agents.llm.sampling import Trie, choice_trie, sample
except ModuleNotFoundError as error:
    raise missing_extra(error.name or "transformers", "hf") from None

if TYPE_CHECKING:
    from torch import Tensor


class Rows(Protocol):
    """What a model remembers of the sequences in play, and perhaps of others."""

    def begin(self, prompts: Sequence[Sequence[int]], /) -> tuple[list[int], list[int]]:
        """Put sequences into play: for each row the number of its sequence, and how much of it is known."""
        ...

    def fork(self, rows: Sequence[int], /) -> list[int]:
        """Put copies of rows into play: for each row the number of its copy."""
        ...

    def select(self, rows: Sequence[int], /) -> list[int]:
        """Leave only some rows in play, each of which is told where it was."""
        ...

    def extend(self, model: Any, tokens: Sequence[Sequence[int]], /) -> Tensor:
        """Feed tokens to each row in play: the (B, V) logits that follow."""
        ...

    def end(self) -> None:
        """Take all rows out of play."""
        ...


class HuggingFaceBackend:
    """Answers chats with a causal language model from a folder that ``save_pretrained`` wrote.

    Tokens are sampled by numbers derived from each request's seed, so an answer does not depend on the requests it
    shares a batch with, but for rounding: another batch shape moves float32 logits by about one part in a million, and
    changes a token about as rarely. In half precision that happens far more often; where runs must repeat, use float32.

    Equal prompts of a call are computed once, the beginnings that prompts share with earlier ones not again (where all
    layers attend to everything), and rows leave the batch when they end. Only safetensors are loaded, and code that
    comes with a model is not run unless it is trusted.

    Tools are shown by the chat template. A call that the model writes, in whatever dialect it was trained on, is among
    the completion's ``tool_calls``; its text and its tokens stay as they are.

    Args:
        path: the folder, or a name on the Hugging Face hub where that can be reached.
        device: such as ``cuda:1``; None takes a GPU if there is one.
        dtype: such as ``float32`` or ``bfloat16``; None is float32 on the CPU and the model's own elsewhere.
        batch_tokens: most tokens, prompts and answers together, that are in play at a time; it bounds the memory.
        kept_tokens: most tokens of earlier calls whose keys and values are kept for the next turns, each sequence
            counted as the longest; 0 for none.
        chat_template: a Jinja template in place of the model's own; :data:`credit_gym.agents.llm.chat_tokens.PLAIN` for
            base models.
        trust_remote_code: run code that comes with the model; a warning says so.

    Attributes:
        model: the model, in evaluation mode.
        tokenizer: its tokenizer.
        chat: how chats become tokens.

    Raises:
        BackendError: there is no such model, or it has no chat template.
    """

    def __init__(
        self,
        path: str,
        *,
        device: str | None = None,
        dtype: str | None = None,
        batch_tokens: int = 65_536,
        kept_tokens: int = 131_072,
        chat_template: str | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        self.path = str(path)
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        dtype = dtype or ("float32" if device == "cpu" else "auto")
        self.model, self.tokenizer = _load(self.path, device, dtype, trust_remote_code)
        config = self.model.config.get_text_config(decoder=True)
        self.chat = ChatTokens(self.tokenizer, chat_template, vocabulary=config.vocab_size)
        self._batch_tokens = batch_tokens
        self._kept_tokens = kept_tokens
        self.forget()
        self._ends = _end_tokens(self.model, self.tokenizer, self.chat.end_of_turn)
        self._positions: int | None = getattr(config, "max_position_embeddings", None)

    @property
    def name(self) -> str:
        """``hf:`` and the path."""
        return f"hf:{self.path}"

    @property
    def takes_tools(self) -> bool:
        """Whether the chat template shows tools, calls and their results."""
        return self.chat.takes_tools

    def complete(self, requests: Sequence[Request], /) -> list[Completion]:
        """Answer each request, in order.

        Raises:
            BackendError: a chat leaves the model no room to answer, or the chat template refuses it.
        """
        rows = [self._row(request) for request in requests]
        with torch.inference_mode():
            for batch in _batches(rows, self._batch_tokens):
                self._generate(batch)
        return [self._completion(row) for row in rows]

    def forget(self) -> None:
        """Drop what is kept of earlier calls; call it whenever the weights have changed."""
        layers = DynamicCache(config=self.model.config.get_text_config(decoder=True)).layers
        attends = layers and all(type(layer) is DynamicLayer for layer in layers)
        self._rows: Rows = ResidentRows(len(layers), self._kept_tokens) if attends else PaddedRows()

    def _row(self, request: Request) -> _Row:
        prompt = (*self.chat.prompt(request.messages, request.tools).ids, *self.chat.text_ids(request.opening))
        room = self.chat.room(prompt, request.max_tokens, self._positions)
        choices = {text: self.chat.text_ids(text) for text in request.choices}
        return _Row(request, prompt, room, choice_trie(choices, self._ends) if choices else None)

    def _generate(self, rows: Sequence[_Row]) -> None:
        """Fill in the answers of one batch."""
        try:
            self._answer(rows)
        finally:
            self._rows.end()

    def _answer(self, rows: Sequence[_Row]) -> None:
        logits, live = self._read(rows)
        while True:
            tokens, logprobs = sample(
                logits,
                [row.request.temperature for row in live],
                [rng.derive(row.request.seed, row.request.repetition, len(row.tokens)) for row in live],
                {index: row.allowed for index, row in enumerate(live) if row.allowed is not None},
            )
            for index, (row, token, logprob) in enumerate(zip(live, tokens, logprobs, strict=True)):
                if row.request.top_logprobs and row.allowed is None:
                    row.positions.append(self._position(token, logits[index], row.request.top_logprobs))
                row.add(token, logprob, self._ends, self.chat)
            going = [index for index, row in enumerate(live) if row.reason is None]
            if not going:
                return
            if len(going) < len(live):
                live = [live[index] for index in self._rows.select(going)]
            logits = self._forward([[row.tokens[-1]] for row in live])

    def _read(self, rows: Sequence[_Row]) -> tuple[Tensor, list[_Row]]:
        """Read the prompts, equal ones once; return the logits after each row in play, and the rows in that order."""
        prompts = list(dict.fromkeys(row.prompt for row in rows))
        order, known = self._rows.begin(prompts)
        logits = self._forward([prompts[number][size:] for number, size in zip(order, known, strict=True)])
        if len(prompts) == len(rows):
            by_prompt = {row.prompt: row for row in rows}
            return logits, [by_prompt[prompts[number]] for number in order]
        place = {prompts[number]: row for row, number in enumerate(order)}
        now = [place[row.prompt] for row in rows]
        order = self._rows.fork(now)
        return logits[[now[number] for number in order]], [rows[number] for number in order]

    def _forward(self, tokens: Sequence[Sequence[int]]) -> Tensor:
        return self._rows.extend(self.model, tokens)

    def _position(self, token: int, logits: Tensor, wanted: int) -> Position:
        top = logits.float().log_softmax(-1).topk(min(wanted, MOST_ALTERNATIVES, len(logits)))
        texts = [self._spelled(each) for each in (token, *top.indices.tolist())]
        return Position(texts[0], tuple(zip(texts[1:], top.values.tolist(), strict=True)))

    def _spelled(self, token: int) -> str:
        return str(self.tokenizer.decode([token], clean_up_tokenization_spaces=False))

    def _completion(self, row: _Row) -> Completion:
        calls = self.chat.calls(row.tokens, row.request.tools) if row.text is None else ()
        return Completion(
            text=row.text if row.text is not None else self.chat.text(row.tokens),
            prompt_token_ids=row.prompt,
            token_ids=tuple(row.tokens),
            logprobs=tuple(row.logprobs),
            usage={"prompt_tokens": len(row.prompt), "completion_tokens": len(row.tokens)},
            finish_reason="tool_calls" if calls and row.reason == "stop" else row.reason or "",
            tool_calls=calls,
            constrained=row.allowed is not None and row.reason == "stop",
            positions=tuple(row.positions),
        )


@dataclass(slots=True)
class _Row:
    """A request in play.

    Attributes:
        room: most tokens of the answer.
        allowed: what the next token may be, None for anything.
        reason: why it ended, None while it has not.
        text: the answer, where a choice or a stop text decides it.
    """

    request: Request
    prompt: tuple[int, ...]
    room: int
    allowed: Trie | None
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    reason: str | None = None
    text: str | None = None

    def add(self, token: int, logprob: float, ends: Iterable[int], chat: ChatTokens) -> None:
        self.tokens.append(token)
        self.logprobs.append(logprob)
        if self.allowed is not None:
            following = self.allowed[token]
            if isinstance(following, str):
                self.text, self.reason = following, "stop"
                return
            self.allowed = following
        elif token in ends:
            self.reason = "stop"
            return
        elif self.request.stop:
            text = chat.text(self.tokens)
            found = [place for stop in self.request.stop if (place := text.find(stop)) >= 0]
            if found:
                self.text, self.reason = text[: min(found)], "stop"
                return
        if len(self.tokens) == self.room:
            self.reason = "length"


def _batches(rows: Iterable[_Row], tokens: int) -> Iterator[list[_Row]]:
    """Yield rows of similar length, equal prompts side by side."""
    batch: list[_Row] = []
    for row in sorted(rows, key=lambda row: (-len(row.prompt), row.prompt)):
        longest = max((other.room for other in (*batch, row)), default=0)
        if batch and (len(batch) + 1) * (len(batch[0].prompt) + longest) > tokens:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _load(path: str, device: str, dtype: str, trusted: bool) -> tuple[Any, Any]:
    try:
        tokenizer = load_tokenizer(path, trust_remote_code=trusted)
        model = load_model(AutoModelForCausalLM, path, trust_remote_code=trusted, dtype=dtype)
    except (OSError, ValueError) as error:
        said = str(error).strip().partition("\n")[0]
        raise BackendError(
            f"No language model can be loaded from {path!r} ({said}): give the folder that save_pretrained wrote, with "
            "config.json, *.safetensors and the tokenizer, or a name on the hub where that can be reached."
        ) from None
    return model.to(device).eval().requires_grad_(False), tokenizer


def _end_tokens(model: Any, tokenizer: Any, end_of_turn: int | None) -> tuple[int, ...]:
    listed = model.generation_config.eos_token_id
    several = listed if isinstance(listed, list) else [listed]
    return tuple(sorted({token for token in (*several, tokenizer.eos_token_id, end_of_turn) if token is not None}))
