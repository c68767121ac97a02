"""Our agent loop in verl: alone, and in the workers, queue and advantages of verl's V1 trainer on a local Ray."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
import torch
import transfer_queue as tq
import verl
import yaml
from builders.tiny_models import tiny_model
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from tensordict import TensorDict
from tensordict.tensorclass import NonTensorData, NonTensorStack
from transformers import AutoModelForCausalLM, AutoTokenizer
from verl.experimental.agent_loop.agent_loop import DictConfigWrap
from verl.trainer.ppo.utils import need_critic, need_reference_policy
from verl.trainer.ppo.v1.agent_loop_tq import AgentLoopWorkerTQ
from verl.trainer.ppo.v1.trainer_base import PPOTrainer
from verl.utils.config import validate_config
from verl.workers.rollout.replica import TokenOutput

from credit_gym.agents.learning import trusting
from credit_gym.agents.learning.verl_loop import CreditGymAgentLoop
from credit_gym.scorers import score

DOCS = Path(__file__).parents[2] / "docs" / "verl"
LOOP = {"scorer": "random", "group_size": 3, "env_args": {"num_tasks": 2, "max_episode_steps": 3}}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return tiny_model(folder, layers=1, hidden=32, vocab=300, max_position_embeddings=4096)


@pytest.fixture(scope="module")
def prompting(tmp_path_factory):
    path = tmp_path_factory.mktemp("promptings") / "short.yaml"
    path.write_text("max_tokens: 3\ndecoding: nearest\n")
    return str(path)


class Server:
    """Stands in for verl's rollout servers: the model answers, as version 4 of the weights and then as version 5."""

    def __init__(self, folder):
        self._folder, self.asked = folder, []

    async def generate(self, *, request_id, prompt_ids, sampling_params):
        if not self.asked:
            torch.set_num_threads(1)
            self._model = AutoModelForCausalLM.from_pretrained(self._folder)
        version = 4 + bool(self.asked)
        self.asked.append((request_id, prompt_ids, sampling_params))
        answer = self._model.generate(
            torch.tensor([prompt_ids]), max_new_tokens=sampling_params["max_tokens"], do_sample=True
        )[0, len(prompt_ids) :].tolist()
        spans = {"min_global_steps": version, "max_global_steps": version}
        return TokenOutput(token_ids=answer, log_probs=[-1.0] * len(answer), extra_fields=spans)


def turns_in(mask):
    return int(mask.diff(prepend=torch.zeros(1, dtype=mask.dtype)).eq(1).sum())


def check_credits(scores, mask):
    assert torch.equal(scores != 0, mask.bool())
    assert len(set(scores[mask.bool()].tolist())) == turns_in(mask)  # every turn its own, the same on all its tokens


async def play_row(model, prompting, server, settings):
    """What a loop that verl makes for one row returns."""
    config = OmegaConf.create({"actor_rollout_ref": {"rollout": {"response_length": 4000}}, "data": {}})
    loop = CreditGymAgentLoop(
        trainer_config=DictConfigWrap(config),
        server_manager=server,
        tokenizer=AutoTokenizer.from_pretrained(model),
        processor=None,
        dataset_cls=None,
        data_config=DictConfigWrap(config.data),
        prompting=prompting,
        **settings,
    )
    return await loop.run({"temperature": 1.0}, extra_info={"index": 1, "env_id": "credit/Stochastic-v0"})


@pytest.mark.slow
def test_the_loop_returns_a_group_whose_rm_scores_are_the_credits_of_its_turns(model, prompting):
    server = Server(model)
    outputs = asyncio.run(play_row(model, prompting, server, LOOP))
    assert len(outputs) == 3
    assert {params["temperature"] for _, _, params in server.asked} == {1.0}
    assert len({request for request, _, _ in server.asked}) == 3  # an episode stays where its beginning is cached
    for output in outputs:
        fields = output.as_dict()
        check_credits(fields["rm_scores"], fields["response_mask"])
        assert fields["rm_scores"].shape == fields["responses"].shape
        assert turns_in(fields["response_mask"]) == output.num_turns // 2
        assert "token_credits" not in fields
        assert (output.extra_fields["min_global_steps"], output.extra_fields["max_global_steps"]) == (4, 5)


@pytest.mark.slow
def test_loops_of_a_process_share_what_they_learned_of_the_verifier(model, prompting, monkeypatch):
    """verl makes a loop for every row, so a loop's own memory would be none."""
    monkeypatch.setattr(trusting, "_OF_THIS_PROCESS", {})
    told = []
    monkeypatch.setattr(trusting, "score", lambda batch, name, **options: told.append(options) or score(batch, name))
    settings = {**LOOP, "scorer": "evidence_lambda", "options": {"key": "observation"}}
    for _ in range(2):
        asyncio.run(play_row(model, prompting, Server(model), settings))
    first, second = told
    known = trusting.remembering("evidence_lambda", {}).known
    assert first == {}
    assert second.keys() == {"trust", "trust_weight"}
    assert known.weight >= second["trust_weight"] * 0.9


def verl_config(*overrides):
    with initialize_config_dir(str(Path(verl.__file__).parent / "trainer" / "config"), version_base=None):
        return compose("ppo_trainer", overrides=list(overrides))


def overrides_of_the_script(**variables):
    """What docs/verl/train.sh hands to verl, its variables filled in."""
    script = (DOCS / "train.sh").read_text().partition("main_ppo")[2]
    filled = re.sub(r"\$\{?(\w+)(?:[:?-][^}]*)?\}?", lambda found: str(variables[found[1]]), script)
    return [line.strip(" \\").replace('"', "").replace("'", "") for line in filled.splitlines() if "=" in line]


@pytest.fixture
def queue():
    """verl's TransferQueue on a Ray of its own; the actors count logical cores, of which it wants several."""
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # verl's workers cannot import this file
    ray.init("local", num_cpus=8, include_dashboard=False, log_to_driver=False)
    tq.init(OmegaConf.create({"backend": {"SimpleStorage": {"num_data_storage_units": 1}}}))
    yield
    tq.close()
    ray.shutdown()


@pytest.mark.slow
def test_credits_travel_through_verls_workers_and_queue_into_its_advantages(model, prompting, queue, tmp_path):
    entry = {"name": "credit_gym", **yaml.safe_load((DOCS / "agent_loop.yaml").read_text())[0]}
    (tmp_path / "agent_loop.yaml").write_text(yaml.safe_dump([{**entry, **LOOP, "prompting": prompting}]))
    config = verl_config(
        *overrides_of_the_script(MODEL=model, data=tmp_path, here=tmp_path, NODES=1, GPUS=1),
        "actor_rollout_ref.rollout.response_length=4000",
    )
    worker = AgentLoopWorkerTQ.remote(config, Server(model))
    tasks = [{"index": task, "env_id": "credit/Stochastic-v0"} for task in range(2)]
    prompts = TensorDict(
        {
            "index": torch.arange(2),
            "uid": NonTensorStack("a", "b"),
            "raw_prompt": NonTensorStack([], []),
            "extra_info": NonTensorStack(*tasks),
            "global_steps": NonTensorData(6),
        },
        batch_size=2,
    )
    ray.get(worker.generate_sequences.remote(prompts))
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        rows = tq.kv_list(partition_id="train")["train"]
        if all(rows.get(uid, {}).get("status") in ("finished", "failure") for uid in "ab"):
            break
        time.sleep(0.1)  # verl's workers answer nobody when they are done
    assert [rows.pop(uid)["status"] for uid in "ab"] == ["finished", "finished"]
    assert sorted(rows) == [f"{uid}_0_{member}" for uid in "ab" for member in range(3)]

    batch = tq.KVBatchMeta(keys=list(rows), tags=list(rows.values()), partition_id="train")
    sampled = tq.kv_batch_get(keys=batch.keys, partition_id="train", select_fields=["rollout_log_probs"])
    old = TensorDict({"old_log_probs": sampled["rollout_log_probs"]}, batch_size=len(batch.keys))
    tq.kv_batch_put(keys=batch.keys, partition_id="train", fields=old)
    trainer = SimpleNamespace(
        config=config,
        use_critic=False,
        _rollout_moe_lb_metrics_accumulator=None,
        _get_n_gpus_for_throughput=lambda: 1,
    )
    PPOTrainer._compute_advantage(trainer, batch, {})
    names = ["advantages", "rm_scores", "response_mask"]
    got = tq.kv_batch_get(keys=batch.keys, partition_id="train", select_fields=names)
    for advantages, scores, mask in zip(*(got[name].unbind() for name in names), strict=True):
        check_credits(advantages, mask)
        assert torch.equal(advantages, scores)

    metrics = {}
    timing = dict.fromkeys(("gen", "ref", "values", "adv", "update_critic", "update_actor", "step"), 1.0)
    PPOTrainer._compute_metrics(trainer, batch, metrics, timing, global_steps=6, epoch=0)
    assert metrics["training/off_policy/trajectory_staleness/max"] == 0  # step 6 waits for version 5
    assert metrics["training/off_policy/trajectory_spans/max"] == 2


def test_verl_accepts_the_ready_script_which_takes_one_step_per_batch_of_whole_groups(model, tmp_path):
    config = verl_config(*overrides_of_the_script(MODEL=model, data=tmp_path, here=DOCS, NODES=1, GPUS=1))
    validate_config(config=config, use_reference_policy=need_reference_policy(config), use_critic=need_critic(config))
    assert not need_critic(config)
    assert config.algorithm.adv_estimator == "credit_gym"
    (loop,) = yaml.safe_load(Path(config.actor_rollout_ref.rollout.agent.agent_loop_config_path).read_text())
    rows = config.data.train_batch_size * loop["group_size"]
    assert config.actor_rollout_ref.actor.ppo_mini_batch_size * config.actor_rollout_ref.rollout.n == rows


def test_the_ready_configuration_names_the_loop_and_settings_that_it_takes():
    import inspect
    from importlib import import_module

    (entry,) = yaml.safe_load((DOCS / "agent_loop.yaml").read_text())
    module, _, name = entry.pop("_target_").rpartition(".")
    known = inspect.signature(getattr(import_module(module), name).__init__).parameters
    assert entry.pop("name") == "credit_gym"
    assert entry.keys() <= known.keys()
