"""Learning from credit: learners on tables, and the training of language models.

- ``softmax``: a policy over texts. ``tabular``: it and the score table on exact models, all tasks at once;
  ``policy_gradient`` is what they share.
- ``train``: a language model through TRL, by the settings in ``training``, with ``grpo`` and ``trl_trainer``. Its
  episodes: ``trainer_rollouts``, ``playing``, ``conversations``, ``token_rows``, and ``synced``, who plays; their
  credits: ``trusting``. Its folder: ``checkpoints`` and ``throughput``.
- ``verl_plugin``, ``verl_loop`` and ``verl_output``, ``skyrl``, ``prime_rl``: thin adapters to other trainers. Each
  names the ``versions`` that it was tested with and refuses others in one sentence.
- ``tiny_lm``: a language model of a size to be trained in a minute. ``gradient_step``: what training loops share.
"""
