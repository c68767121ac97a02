"""A byte-level tokenizer learned from transcripts, with a chat template."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tokenizers import pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Tokenizer

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SMALLEST = 259  # every byte and the special tokens


def learn_tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    """Return a byte-pair tokenizer that spells any text.

    Args:
        texts: what it learns its words from.
        vocabulary: most tokens, at least :data:`SMALLEST`.
    """
    qwen: Any = Qwen2Tokenizer
    bpe = qwen().backend_tokenizer  # AutoTokenizer cuts the texts of a Qwen2 model as this one does
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, START, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator([*texts, "system user assistant"], trainer)
    fast: Any = PreTrainedTokenizerFast
    tokenizer = fast(tokenizer_object=bpe, eos_token=END, pad_token=PAD, additional_special_tokens=[START])
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
