"""Who plays the episodes of a training: a model in this process that is handed the weights before every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from credit_gym.agents.llm.completion import BatchBackend
from credit_gym.agents.llm.hf import HuggingFaceBackend
from credit_gym.agents.llm.vllm import VLLMBackend

if TYPE_CHECKING:
    from torch import Tensor, nn

    from credit_gym.agents.llm.chat_tokens import ChatTokens


class SyncedBackend(BatchBackend, Protocol):
    """A backend that follows the model being trained.

    Attributes:
        chat: how chats become tokens.
        corrected: whether its log-probabilities are of another implementation than the trainer's, so that the trainer
            must have them and weigh each token by what they differ.
    """

    chat: ChatTokens
    corrected: bool

    def follow(self, model: nn.Module, /) -> None:
        """Answer with a model's weights from now on, those of LoRA adapters included."""
        ...

    def forget(self) -> None:
        """Drop what is kept of the prompts so far."""
        ...


class SyncedHuggingFace(HuggingFaceBackend):
    """The trained model itself answers."""

    corrected = False

    def follow(self, model: nn.Module, /) -> None:
        """Answer with this model from now on; what its earlier weights had computed is dropped."""
        self.model = model
        self.forget()


class SyncedVLLM(VLLMBackend):
    """vLLM in this process answers, and its log-probabilities are those at the sampling's temperature.

    Args:
        path: the folder of the model.
        dtype: what vLLM computes in.
        vllm_options: further arguments of ``vllm.LLM``; by default it takes 0.3 of a GPU's memory and leaves the rest
            to the training.
    """

    corrected = True

    def __init__(self, path: str, *, dtype: str | None = None, **vllm_options: Any) -> None:
        options = {"gpu_memory_utilization": 0.3, **vllm_options, "logprobs_mode": "processed_logprobs"}
        super().__init__(path, dtype=dtype, **options)

    def follow(self, model: nn.Module, /) -> None:
        """Load the model's weights into vLLM; what others had computed is dropped."""
        self._thread.submit(self._load, merged_weights(model)).result()
        self.forget()

    def forget(self) -> None:
        """Reset the prefix cache."""
        self._thread.submit(self.llm.reset_prefix_cache).result()

    def _load(self, weights: Iterator[tuple[str, Tensor]]) -> None:
        # Not the model's own load_weights: on a CPU the layers hold packed copies, which only a reload replaces.
        self.llm.collective_rpc("reload_weights", kwargs={"weights_iterator": weights})
        if self.llm.model_config.hf_text_config.tie_word_embeddings:
            self.llm.apply_model(_repack_head)


PLAYERS: Mapping[str, Callable[[SyncedHuggingFace, str, Mapping[str, Any]], SyncedBackend]] = {
    "hf": lambda model, dtype, vllm_options: model,
    "vllm": lambda model, dtype, vllm_options: SyncedVLLM(model.path, dtype=dtype, **vllm_options),
}
"""Who plays, by name; given the model being trained, what it computes in, and arguments of ``vllm.LLM``."""


def merged_weights(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield (name, weight) of a model as ``save_pretrained`` names them, LoRA adapters added to what they adapt.

    The model is left as it is: merging and unmerging in place would round its weights at every step.
    """
    adapted: dict[str, Any] = {
        f"{name}.base_layer.weight": module
        for name, module in model.named_modules()
        if hasattr(module, "get_delta_weight")
    }
    for name, weight in model.named_parameters():
        if "lora_" not in name:
            own = name.removeprefix("base_model.model.").replace(".base_layer", "")
            module = adapted.get(name)
            deltas = () if module is None else map(module.get_delta_weight, module.active_adapters)
            yield own, sum((delta.detach() for delta in deltas), weight.detach())


def _repack_head(model: Any) -> None:
    """Pack the output layer anew where it shares the embedding's weight: a reload passes it by, having loaded that."""
    model.lm_head.quant_method.process_weights_after_loading(model.lm_head)
