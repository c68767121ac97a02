#!/usr/bin/env bash
# Train MODEL on a Ray cluster with per-turn credit. See docs/training.md.
#   MODEL=Qwen/Qwen2.5-1.5B-Instruct NODES=2 GPUS=8 docs/verl/train.sh
# verl counts episodes in a mini-batch: 16 tasks with the loop's group_size of 8 make 128, one optimizer step.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
data=${DATA:-$PWD/data}
mkdir -p "$data"
python - "$data" <<'PY'
import sys
from credit_gym.formats.verl import write_tasks
write_tasks(f"{sys.argv[1]}/train.parquet", "credit/Stochastic-v0", range(20))
write_tasks(f"{sys.argv[1]}/val.parquet", "credit/Stochastic-v0", range(20))
PY
python -m verl.trainer.main_ppo \
  algorithm.adv_estimator=credit_gym \
  algorithm.use_kl_in_reward=False \
  data.train_files="$data/train.parquet" \
  data.val_files="$data/val.parquet" \
  data.train_batch_size=16 \
  data.max_prompt_length=1024 \
  data.max_response_length=4096 \
  actor_rollout_ref.model.path="${MODEL:?set MODEL}" \
  actor_rollout_ref.actor.ppo_mini_batch_size=128 \
  actor_rollout_ref.actor.use_dynamic_bsz=True \
  actor_rollout_ref.actor.ppo_max_token_len_per_gpu=16384 \
  actor_rollout_ref.rollout.name=vllm \
  actor_rollout_ref.rollout.n=1 \
  actor_rollout_ref.rollout.calculate_log_probs=True \
  actor_rollout_ref.rollout.agent.default_agent_loop=credit_gym \
  actor_rollout_ref.rollout.agent.agent_loop_config_path="$here/agent_loop.yaml" \
  trainer.nnodes="${NODES:-1}" \
  trainer.n_gpus_per_node="${GPUS:-8}" \
  trainer.logger='["console"]' \
  "$@"
