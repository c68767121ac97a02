"""Scoring by likelihood beside the ways it replaces, on the same random models and tokens in one run.

    python -m credit_gym.baselines.speed.likelihood_speed [--device cuda --dtype bfloat16] [--repeats N] [--json FILE]

On a CPU times are processor seconds of one thread, which other processes disturb little; on a GPU they are seconds of
the clock. The ways take turns, and each time is the least of its runs after an uncounted one: what else the machine
does only adds to it. Random weights are as fast as trained ones.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from credit_gym.baselines.protocol.experiment import save_json
from credit_gym.baselines.protocol.options import JsonFile
from credit_gym.baselines.speed.measurement import Measurement
from credit_gym.data.grouping import IntArray
from credit_gym.report import Table, show
from credit_gym.report.command import run as run_command

TURNS, HISTORY = 20, 1500
ELICITATIONS = {"28 tokens": (24, 4), "11 tokens": (10, 1), "5 tokens": (3, 2)}
"""Tokens of a question and of the target in it: long ones; ``Is it 'tiger'?`` with the opening of the assistant's turn
and an empty thought; the same after an opening that the next action shares, as chats are rendered here."""


class Bench(NamedTuple):
    """A random Qwen2, plain and as it scores.

    Attributes:
        model: the Hugging Face model.
        lm: the same one for scoring.
    """

    model: Any
    lm: Any

    @property
    def vocabulary(self) -> int:
        """Number of token ids."""
        return int(self.model.config.vocab_size)


def make_bench(device: str, dtype: str, *, vocabulary: int, width: int, layers: int, heads: int) -> Bench:
    """Return a random model of a size, on one thread of the processor or on a GPU."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from credit_gym.agents.likelihood.language_model import LanguageModel

    torch.set_num_threads(1)
    config = Qwen2Config(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=8 * width // 3, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=heads, max_position_embeddings=16_384, tie_word_embeddings=True,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: Any = Qwen2ForCausalLM(config)
    model.to(device=device, dtype=getattr(torch, dtype)).eval()
    return Bench(model, LanguageModel.of(model))


def medium(device: str, dtype: str) -> Bench:
    """Return the model of most lines: 23 million parameters, 32,000 tokens."""
    return make_bench(device, dtype, vocabulary=32_000, width=384, layers=6, heads=6)


def seconds(ways: Mapping[str, Callable[[], Any]], device: str, repeats: int) -> dict[str, float]:
    """Return the least time of each way to do a thing; they take turns."""
    import torch

    def timed(way: Callable[[], Any]) -> float:
        clock = time.process_time if device == "cpu" else time.perf_counter
        if device != "cpu":
            torch.cuda.synchronize()
        began = clock()
        way()
        if device != "cpu":
            torch.cuda.synchronize()
        return clock() - began

    runs = [{name: timed(way) for name, way in ways.items()} for _ in range(repeats + 1)][1:]
    return {name: min(run[name] for run in runs) for name in ways}


def one_trajectory(device: str = "cpu", dtype: str = "float32", repeats: int = 3) -> dict[str, float]:
    """Beliefs at the 21 points of one trajectory of 1,500 tokens, and what they add to its log-probabilities."""
    from credit_gym.agents.likelihood.beliefs import beliefs, beliefs_and_logprobs
    from credit_gym.agents.likelihood.forest import TokenSequence
    from credit_gym.agents.likelihood.logprobs import score_tokens

    bench, draw = medium(device, dtype), np.random.default_rng(0)
    ids = draw.integers(0, bench.vocabulary, HISTORY)
    cuts = np.linspace(HISTORY // (TURNS + 1), HISTORY, TURNS + 1).astype(int)
    actions = [TokenSequence(ids, tuple((cut, cut + 20) for cut in cuts[:-1]))]
    probes = {}
    for name, (question, target) in ELICITATIONS.items():
        branch = draw.integers(0, bench.vocabulary, question + target)
        probes[name] = _probe([ids[:cut] for cut in cuts], branch, question)
    long = probes["28 tokens"]
    ways: dict[str, Callable[[], Any]] = {
        "one forward a point": partial(naive_beliefs, bench, [long]),
        "cache kept from turn to turn": partial(cached_beliefs, bench, [long]),
        "one pass": partial(beliefs, bench.lm, [long]),
        "log-probabilities": partial(score_tokens, bench.lm, actions),
    }
    for name, probe in probes.items():
        ways[f"log-probabilities and beliefs, {name}"] = partial(beliefs_and_logprobs, bench.lm, [probe], actions)
    return seconds(ways, device, repeats)


def short_games(device: str = "cpu", dtype: str = "float32", repeats: int = 1, games: int = 256) -> dict[str, float]:
    """Beliefs at all 9 points of 256 games of 8 turns of 3 tokens, by a model of 0.8 million parameters."""
    from credit_gym.agents.likelihood.beliefs import beliefs

    bench = make_bench(device, dtype, vocabulary=97, width=128, layers=4, heads=4)
    draw = np.random.default_rng(1)
    probes = []
    for _ in range(games):
        ids, branch = draw.integers(0, 97, 2 + 8 * 3), draw.integers(0, 97, 3)
        probes.append(_probe([ids[: 2 + 3 * turn] for turn in range(9)], branch, 2))
    return seconds(
        {
            "cache kept from turn to turn": partial(cached_beliefs, bench, probes),
            "one pass": partial(beliefs, bench.lm, probes),
        },
        device,
        repeats,
    )


def mixed_lengths(device: str = "cpu", dtype: str = "float32", repeats: int = 1) -> dict[str, float]:
    """Log-probabilities of the actions of 32 trajectories: 3 to 12 turns of 8 tokens, answers of 15 to 64.

    Once as 4 groups of 8 rollouts that share a prompt of 600 tokens, once as strangers with a prompt each.
    """
    from credit_gym.agents.likelihood.logprobs import score_tokens

    bench, draw = medium(device, dtype), np.random.default_rng(2)
    ways: dict[str, Callable[[], Any]] = {}
    for name, rollouts in (("groups of 8", 8), ("no common prompt", 1)):
        sequences = []
        for number in range(32):
            if number % rollouts == 0:
                prompt = draw.integers(0, bench.vocabulary, 600)
            sequences.append(_trajectory(prompt, draw, bench.vocabulary))
        ways[f"full log-softmax one by one, {name}"] = partial(naive_logprobs, bench, sequences)
        ways[f"likelihood, {name}"] = partial(score_tokens, bench.lm, sequences)
    return seconds(ways, device, repeats)


def peak_memory(device: str = "cpu", dtype: str = "float32") -> dict[str, float]:
    """Megabytes that scoring 8,192 tokens over 150,000 words adds to a process: the likelihood room, and log-softmax.

    Each is measured in a process of its own: the most memory that it ever had, less what it had before.
    """
    context = get_context("spawn")
    found = {}
    for way in ("likelihood", "full log-softmax"):
        with ProcessPoolExecutor(1, context) as process:
            found[way] = process.submit(_peak, way, device, dtype).result()
    return found


def naive_beliefs(bench: Bench, probes: Sequence[Any]) -> None:
    """One forward for each point, with the projection of the needed rows only."""
    import torch

    with torch.inference_mode():
        for probe in probes:
            (branch,) = probe.variants
            for context in probe.contexts:
                ids = torch.as_tensor(np.concatenate([context, branch.ids])[None], device=bench.model.device)
                keep = branch.end - branch.start + 1
                logits = bench.model(input_ids=ids, logits_to_keep=keep, use_cache=False).logits[0, :-1].float()
                logits.log_softmax(-1).gather(1, ids[0, -keep + 1 :, None]).sum().item()


def cached_beliefs(bench: Bench, probes: Sequence[Any]) -> None:
    """Turn by turn: the new tokens of the history over a cache, then the branch, which is cut off again."""
    import torch
    from transformers import DynamicCache

    from credit_gym.agents.likelihood.network import rewind

    with torch.inference_mode():
        for probe in probes:
            (branch,) = probe.variants
            kept, known = DynamicCache(), 0
            ids = torch.as_tensor(branch.ids[None], device=bench.model.device)
            for context in probe.contexts:
                new = torch.as_tensor(context[None, known:], device=bench.model.device)
                bench.model.base_model(input_ids=new, past_key_values=kept, use_cache=True)
                keep, known = branch.end - branch.start + 1, context.size
                output = bench.model(input_ids=ids, past_key_values=kept, use_cache=True, logits_to_keep=keep)
                logits = output.logits[0, :-1].float()
                logits.log_softmax(-1).gather(1, ids[0, -keep + 1 :, None]).sum().item()
                rewind(kept, known)


def naive_logprobs(bench: Bench, sequences: Sequence[Any], top_k: int = 20) -> None:
    """One forward for each sequence and the log-softmax of all its rows, as published scorers do."""
    import torch

    with torch.inference_mode():
        for sequence in sequences:
            ids = torch.as_tensor(sequence.ids[None], device=bench.model.device)
            table = bench.model(input_ids=ids, use_cache=False).logits[0].float().log_softmax(-1)
            chosen = table[:-1].gather(1, ids[0, 1:, None])[:, 0].cpu().numpy()
            top = table.topk(top_k).values.mean(-1).cpu().numpy()
            for start, end in sequence.spans:
                _ = chosen[start - 1 : end - 1], top[start - 1 : end - 1]


def likelihood(device: str = "cpu", dtype: str = "float32", repeats: int = 3) -> Iterator[Measurement]:
    """The likelihood's lines of the speed table: times, and what they are of the times that they replace."""
    if any(importlib.util.find_spec(module) is None for module in ("torch", "transformers")):
        return
    trajectory = cache(partial(one_trajectory, device, dtype, repeats))
    games = cache(partial(short_games, device, dtype))
    mixed = cache(partial(mixed_lengths, device, dtype))
    peak = cache(partial(peak_memory, device, dtype))

    def ratio(figures: Callable[[], dict[str, float]], over: str, under: str) -> float:
        return figures()[over] / figures()[under]

    def added(name: str) -> float:
        both, alone = trajectory()[f"log-probabilities and beliefs, {name}"], trajectory()["log-probabilities"]
        return both / alone - 1.0

    def times(what: str, figures: Callable[[], dict[str, float]], *names: str) -> Iterator[Measurement]:
        for name in names:
            yield Measurement(
                f"likelihood, {what}, {name}", "s", None, partial(lambda name: figures()[name], name), "value", True
            )

    def multiple(what: str, target: float | None, run: Callable[[], float]) -> Measurement:
        return Measurement(f"likelihood, {what}", "times", target, run, "value")

    naive, kept, own = "one forward a point", "cache kept from turn to turn", "one pass"
    what = f"{TURNS + 1} beliefs in {HISTORY:,} tokens"
    yield from times(what, trajectory, naive, kept, own)
    yield multiple(f"{what}, multiple of one forward a point", 5.0, partial(ratio, trajectory, naive, own))
    yield multiple(f"{what}, multiple of a kept cache", 1.0, partial(ratio, trajectory, kept, own))
    for name, target in zip(ELICITATIONS, (None, 0.25, 0.25), strict=True):
        line = f"likelihood, {what}, added to the log-probabilities of its actions, {name}"
        yield Measurement(line, "of them", target, partial(added, name), "value", lower_is_better=True)
    what = "9 beliefs in each of 256 short games"
    yield from times(what, games, kept, own)
    yield multiple(f"{what}, multiple of a kept cache", 3.0, partial(ratio, games, kept, own))
    what = "log-probabilities of 32 trajectories"
    for name, aim in (("groups of 8", 3.0), ("no common prompt", None)):
        full, mine = f"full log-softmax one by one, {name}", f"likelihood, {name}"
        yield from times(what, mixed, full, mine)
        yield multiple(f"{what}, multiple of full log-softmax, {name}", aim, partial(ratio, mixed, full, mine))
    what = "8,192 tokens by 150,000 words"
    for way in ("likelihood", "full log-softmax"):
        line = f"likelihood, {what}, memory added by {way}"
        yield Measurement(line, "MB", None, partial(lambda way: peak()[way], way), "value", lower_is_better=True)
    share = partial(ratio, peak, "likelihood", "full log-softmax")
    yield Measurement(f"likelihood, {what}, share of that memory", "of it", 0.125, share, "value", lower_is_better=True)


def main(
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    dtype: Annotated[str, typer.Option(help="Precision of the weights.")] = "float32",
    repeats: Annotated[int, typer.Option(help="Counted runs of the lines of one trajectory.")] = 3,
    json: JsonFile = None,
) -> None:
    """Measure and print every line."""
    rows, results = [], {}
    for line in likelihood(device, dtype, repeats):
        value = line.measure(1)
        results[line.name] = {"value": value, "unit": line.unit, "target": line.target}
        rows.append((line.name, f"{value:.3g}", line.unit, "" if line.target is None else f"{line.target:g}"))
    show(Table(f"Scoring by likelihood, {device}, {dtype}", ("what", "value", "unit", "target"), tuple(rows)))
    if json:
        save_json(json, {"baseline": "likelihood_speed", "device": device, "dtype": dtype, "repeats": repeats}, results)


def _probe(contexts: Sequence[IntArray], branch: IntArray, start: int) -> Any:
    from credit_gym.agents.likelihood.beliefs import Branch, Probe

    return Probe(tuple(contexts), (Branch(branch, start, branch.size),))


def _trajectory(prompt: IntArray, draw: np.random.Generator, vocabulary: int) -> Any:
    from credit_gym.agents.likelihood.forest import TokenSequence

    parts, spans, length = [prompt], [], prompt.size
    for _ in range(draw.integers(3, 13)):
        spans.append((length, length + 8))
        parts.append(draw.integers(0, vocabulary, 8 + draw.integers(15, 65)))
        length += parts[-1].size
    return TokenSequence(np.concatenate(parts), tuple(spans))


def _peak(way: str, device: str, dtype: str) -> float:
    """Megabytes that one way adds to this process at most; a quarter of the tokens are actions."""
    import torch

    from credit_gym.agents.likelihood.forest import TokenSequence
    from credit_gym.agents.likelihood.logprobs import score_tokens

    bench = make_bench(device, dtype, vocabulary=150_000, width=64, layers=2, heads=2)
    ids = np.random.default_rng(3).integers(0, 150_000, 8192)
    ways: dict[str, Callable[[TokenSequence], Any]] = {
        "likelihood": lambda sequence: score_tokens(bench.lm, [sequence]),
        "full log-softmax": lambda sequence: naive_logprobs(bench, [sequence]),
    }
    ways[way](TokenSequence(ids[:64], ((32, 40),)))  # what is allocated once is not counted
    if device != "cpu":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # the kernel's mark of the most memory starts anew
        before = _resident("VmRSS")
    ways[way](TokenSequence(ids, tuple((start, start + 16) for start in range(16, 8192, 64))))
    after = torch.cuda.max_memory_allocated() if device != "cpu" else _resident("VmHWM")
    return (after - before) / 2**20


def _resident(kind: str) -> int:
    """Bytes of memory of this process, as Linux counts them."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(kind):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status does not give {kind}.")


if __name__ == "__main__":
    run_command(main)
