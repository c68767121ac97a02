"""The player: a small transformer that reads the text of a state and answers with one of the messages on offer.

A message is one token of its vocabulary, everything else is read word by word. What it plays is its distribution over
the messages on offer, renormalised, so a policy is one forward pass over the texts of a game, and exact.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM

from credit_gym import rng
from credit_gym.agents.learning.gradient_step import gradient_step
from credit_gym.agents.learning.tiny_lm.pretrain import small_qwen
from credit_gym.data.grouping import FloatArray, IntArray
from credit_gym.exact.tabular_model import TabularModel

HIDDEN, LAYERS = 32, 2
_PAD = "<pad>"


class Player:
    """A transformer and the texts of a game.

    Args:
        net: the transformer.
        tokenizer: its tokenizer.
        model: the game.

    Attributes:
        net: the transformer; whoever trains it moves its weights.
    """

    def __init__(self, net: Any, tokenizer: Any, model: TabularModel) -> None:
        self.net, self._model = net, model
        acting = np.flatnonzero(~model.terminal)
        texts = {text: number for number, text in enumerate(dict.fromkeys(model.observations[s] for s in acting))}
        self._acting = acting
        self._text = np.zeros(model.num_states, dtype=np.int64)
        self._text[acting] = [texts[model.observations[state]] for state in acting]
        rows = [torch.tensor(tokenizer(text)["input_ids"]) for text in texts]
        self._ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        self._last = torch.tensor([len(row) - 1 for row in rows])
        token = np.array([tokenizer.convert_tokens_to_ids(name) for name in model.action_names])
        self._token = torch.as_tensor(token[np.maximum(model.action_id, 0)])
        self._admissible = torch.as_tensor(model.admissible)

    def policy(self) -> FloatArray:
        """Return the (S, A) probabilities of the messages on offer, 0 at the end of an episode."""
        table = np.zeros(self._model.admissible.shape)
        with torch.no_grad():
            table[self._acting] = self.log_policy(self._acting).exp().double().numpy()
        table /= np.maximum(table.sum(axis=1, keepdims=True), 1e-300)
        return table

    def log_policy(self, states: IntArray) -> Any:
        """Return the (n, A) log-probabilities of the messages on offer in n acting states, -inf at the others."""
        rows = torch.as_tensor(states)
        offered = self._logits(states).gather(1, self._token[rows]).masked_fill(~self._admissible[rows], -torch.inf)
        return torch.log_softmax(offered, dim=1)

    def log_spoken(self, states: IntArray) -> Any:
        """Return the (n, A) log-probabilities of the messages on offer among all tokens; anything at other slots."""
        return torch.log_softmax(self._logits(states), dim=1).gather(1, self._token[torch.as_tensor(states)])

    def _logits(self, states: IntArray) -> Any:
        """Return the (n, V) logits of what follows the texts of n acting states."""
        texts, place = np.unique(self._text[states], return_inverse=True)
        number = torch.as_tensor(texts)
        last = self._last[number]
        ids = self._ids[number, : int(last.max()) + 1]
        hidden = self.net.model(ids).last_hidden_state  # padding is behind what attention looks at
        return self.net.lm_head(hidden[torch.arange(len(texts)), last])[torch.as_tensor(place)]


def taught(model: TabularModel, folder: Path, *, steps: int = 300, seed: int = 0) -> Path:
    """Return the folder of a transformer that imitates a game's behaviour; it is made the first time.

    Args:
        model: the game.
        folder: where it is kept.
        steps: of imitation, 64 states each.
        seed: fixes everything.
    """
    if (folder / "config.json").is_file():
        return folder
    tokenizer = words_and_messages(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng.derive(seed, 1) >> 1)
        net = small_qwen(tokenizer, HIDDEN, LAYERS, 256)
        player = Player(net, tokenizer, model)
        optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        acting = np.flatnonzero(~model.terminal)
        wanted = torch.as_tensor(model.mean_behaviour, dtype=torch.float32)
        for _ in range(steps):
            states = acting[torch.randint(len(acting), (64,)).numpy()]
            gradient_step(net, optimizer, -(wanted[states] * player.log_spoken(states)).sum(dim=1).mean())
            schedule.step()
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    net.save_pretrained(folder)
    return folder


def load(folder: Path, model: TabularModel) -> Player:
    """Return the player of a folder, in training."""
    net: Any = Qwen2ForCausalLM.from_pretrained(folder)
    return Player(net.eval(), PreTrainedTokenizerFast.from_pretrained(folder), model)


def words_and_messages(model: TabularModel) -> Any:
    """Return a tokenizer whose tokens are the messages of a game, and the words of its texts."""
    messages = sorted(model.action_names, key=lambda message: (-len(message), message))
    pattern = "|".join([*map(re.escape, messages), r"\w+", r"[^\w\s]"])
    found = re.findall(pattern, "\n\n".join(dict.fromkeys(model.observations)))
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys([_PAD, *messages, *found]))}
    spelled: Any = Tokenizer(models.WordLevel(vocabulary, unk_token=_PAD))
    spelled.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    fast: Any = PreTrainedTokenizerFast
    return fast(tokenizer_object=spelled, eos_token=_PAD, pad_token=_PAD)
