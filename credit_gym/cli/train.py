"""Train a language model with per-turn credit."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from credit_gym.cli import language_model as lm
from credit_gym.cli import recorded
from credit_gym.cli.app import EnvArgs, Options, app, pairs, scorer_options


@app.command(epilog="Example: credit-gym train trained --env credit/Stochastic-v0 --model models/tiny --group-size 8")
def train(
    folder: Annotated[Path, typer.Argument(help="Where the checkpoints, the curve and the model go.")],
    env: Annotated[str | None, typer.Option(help="Gymnasium id; `credit-gym envs` lists them.")] = None,
    env_arg: EnvArgs = None,
    model: Annotated[str | None, typer.Option(help="Folder of the model to start from.")] = None,
    scorer: Annotated[
        str | None, typer.Option(help="Whose credit is the advantage; evidence_lambda by default.")
    ] = None,
    option: Options = None,
    belief: recorded.Belief = None,
    prompting: lm.Prompting = None,
    temperature: lm.Temperature = None,
    steps: Annotated[int, typer.Option(min=1, help="Optimizer steps.")] = 100,
    groups: Annotated[int, typer.Option(min=1, help="Tasks of a step.")] = 4,
    group_size: Annotated[int, typer.Option(min=2, help="Episodes of a task.")] = 8,
    accumulate: Annotated[int, typer.Option(min=1, help="Parts in which a step's episodes meet the model.")] = 1,
    learning_rate: Annotated[float, typer.Option(help="Of AdamW.")] = 1e-5,
    loss: Annotated[str, typer.Option(help="dapo, grpo, bnpo, dr_grpo, luspo, cispo or sapo.")] = "dapo",
    lora: Annotated[int, typer.Option(min=0, help="Rank of LoRA adapters; 0 trains every weight.")] = 0,
    rollouts: Annotated[str, typer.Option(help="Who plays: hf, the model itself, or vllm, fed its weights.")] = "hf",
    vllm_option: Annotated[
        list[str] | None, typer.Option(help="An argument of vllm.LLM; may be repeated.", metavar="KEY=VALUE")
    ] = None,
    dtype: Annotated[str, typer.Option(help="auto (bfloat16 on a GPU), float32 or bfloat16.")] = "auto",
    save_every: Annotated[
        int, typer.Option(min=1, help="Most steps between checkpoints; a tenth of all at most.")
    ] = 20,
    eval_episodes: Annotated[
        int, typer.Option(min=0, help="Episodes of an evaluation, before the first step and after the last.")
    ] = 64,
    eval_every: Annotated[int, typer.Option(min=0, help="Steps between further evaluations; 0 for none.")] = 0,
    eval_env_arg: Annotated[
        list[str] | None,
        typer.Option(help="What is else in evaluations, such as split=test; may be repeated.", metavar="KEY=VALUE"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Fixes everything.")] = 0,
    trust_remote_code: lm.TrustRemoteCode = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in the folder.")] = False,
) -> None:
    """Train a language model on-policy through TRL, each turn's credit by a scorer as the advantage of its tokens.

    A training that was stopped, even by kill -9, goes on with --resume and the folder alone: it keeps its settings.
    `credit-gym report FOLDER` writes its page.
    """
    from credit_gym.agents.learning import train as trainer
    from credit_gym.agents.learning.learning_curve import before_and_after
    from credit_gym.agents.learning.training import Training
    from credit_gym.agents.llm.prompting import load_prompting
    from credit_gym.metrics.statistics import Estimate
    from credit_gym.scorers import DEFAULT

    def show(row: Mapping[str, float]) -> None:
        typer.echo(
            f"step {row['step']:.0f}: return {row['return']:.3f}, success {row['success']:.1%}, "
            f"{row['turns']:.1f} turns, loss {row['loss']:.4f}"
        )

    def show_evaluation(row: Mapping[str, float]) -> None:
        success = Estimate(row["success"], row["low"], row["high"])
        typer.echo(f"step {row['step']:.0f}: evaluation of {row['episodes']:.0f} episodes, success {success:.1%}")

    def finish(go: Callable[..., Path]) -> None:
        try:
            model_folder = go(on_step=show, on_evaluation=show_evaluation)
        except trainer.TrainingStopped as stopped:
            typer.echo(f"{stopped} Go on with `credit-gym train {folder} --resume`.", err=True)
            raise typer.Exit(128 + signal.SIGTERM) from None
        if said := before_and_after(folder):
            typer.echo(said)
        typer.echo(model_folder)

    if resume:
        if any(given is not None for given in (env, env_arg, model, scorer, option, belief, prompting, temperature)):
            raise typer.BadParameter("a resumed training keeps its own settings; give only the folder.")
        finish(partial(trainer.resume, folder, trust_remote_code=trust_remote_code))
        return
    if env is None or model is None:
        raise typer.BadParameter("give --env and --model (or --resume).")
    scorer = scorer or DEFAULT
    asked = load_prompting(prompting or "plain")
    settings = Training(
        env=env,
        model=model.removeprefix("hf:"),
        scorer=scorer,
        env_args=pairs(env_arg),
        options=scorer_options(scorer, option),
        belief=belief or "",
        prompting=asked if temperature is None else replace(asked, temperature=temperature),
        steps=steps,
        groups=groups,
        group_size=group_size,
        accumulate=accumulate,
        learning_rate=learning_rate,
        loss=loss,
        lora_rank=lora,
        rollouts=rollouts,
        vllm_options=pairs(vllm_option),
        dtype=dtype,
        save_every=save_every,
        eval_episodes=eval_episodes,
        eval_every=eval_every,
        eval_env_args=pairs(eval_env_arg),
        seed=seed,
        trust_remote_code=trust_remote_code,
    )
    recorded.check_recorded(
        [(scorer, dict(settings.options))],
        env,
        settings.env_args,
        belief=belief,
        prompting=settings.prompting,
        logprobs=True,
    )
    finish(partial(trainer.train, folder, settings))
