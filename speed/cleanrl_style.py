"""PPO in one file, as CleanRL writes it: plain torch on `gym.make_vec`, no Stable-Baselines3.

The agent is the package's graph policy by itself, which applies the observation's mask of legal
actions to its logits. It learns from nothing, without adviser and control policy.

    python -m speed.cleanrl_style --total-timesteps 200_000
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import torch
import tyro
from torch import nn, optim

import qkd_gym  # noqa: F401  registers the environments
from qkd_gym.commands import exit_status
from qkd_gym.sb3 import LinkPointerPolicy


@dataclass
class Args:
    """Train a graph policy by PPO in one file."""

    seed: int = 1
    """Seed of weights, actions, minibatches and episodes."""
    env_id: str = "qkd_gym/LinkActivation-v0"
    """The environment."""
    scenario: str = "metro"
    """Scenario of the networks."""
    total_timesteps: int = 200_000
    """Steps of all environments together."""
    learning_rate: float = 3e-3
    """Adam's step size."""
    num_envs: int = 64
    """Environments side by side."""
    num_steps: int = 50
    """Steps of each environment per rollout."""
    anneal_lr: bool = True
    """Whether the step size falls linearly to zero."""
    gamma: float = 0.98
    """Discount factor."""
    gae_lambda: float = 0.95
    """Weight of longer returns in the advantages."""
    num_minibatches: int = 4
    """Minibatches per epoch."""
    update_epochs: int = 3
    """Epochs per rollout."""
    norm_adv: bool = True
    """Whether advantages are normalised in each minibatch."""
    clip_coef: float = 0.2
    """How far the ratio of probabilities may leave one."""
    ent_coef: float = 0.0
    """Weight of the entropy."""
    vf_coef: float = 0.5
    """Weight of the value loss."""
    max_grad_norm: float = 0.5
    """Largest norm of the gradient."""
    reward_scale: float = 0.05
    """Factor on the rewards."""


def iterations(args: Args) -> Iterator[dict[str, float]]:
    """Trains; gives figures after every rollout and its update."""
    batch_size = args.num_envs * args.num_steps
    minibatch_size = batch_size // args.num_minibatches
    num_iterations = args.total_timesteps // batch_size

    # Seeding
    random.seed(args.seed)
    np.random.seed(args.seed)  # noqa: NPY002
    torch.manual_seed(args.seed)

    # Environments
    envs = gym.make_vec(args.env_id, num_envs=args.num_envs, scenario=args.scenario)
    agent = LinkPointerPolicy(
        envs.single_observation_space, envs.single_action_space, lambda _: args.learning_rate
    )
    trained = [weight for weight in agent.parameters() if weight.requires_grad]
    optimizer = optim.Adam(trained, lr=args.learning_rate, eps=1e-5)

    # Storage
    shape = (args.num_steps, args.num_envs)
    observation, _ = envs.reset(seed=args.seed)
    next_obs = agent.prepare(observation)
    obs = {k: torch.zeros((args.num_steps, *v.shape), dtype=v.dtype) for k, v in next_obs.items()}
    actions = torch.zeros(shape, dtype=torch.long)
    logprobs, rewards, dones, values = (torch.zeros(shape) for _ in range(4))
    next_done = torch.zeros(args.num_envs)

    global_step = 0
    start_time = time.time()
    for iteration in range(num_iterations):
        if args.anneal_lr:
            fraction = 1.0 - iteration / num_iterations
            optimizer.param_groups[0]["lr"] = fraction * args.learning_rate

        # Rollout
        agent.set_training_mode(False)
        reward_sum = 0.0
        for step in range(args.num_steps):
            global_step += args.num_envs
            for k, v in next_obs.items():
                obs[k][step] = v
            dones[step] = next_done
            with torch.no_grad():
                action, value, logprob = agent.forward(next_obs)
            actions[step], values[step], logprobs[step] = action, value.flatten(), logprob
            observation, reward, terminations, truncations, infos = envs.step(action.numpy())
            reward_sum += reward.sum()
            rewards[step] = torch.as_tensor(args.reward_scale * reward)
            next_obs = agent.prepare(observation)
            next_done = torch.as_tensor(terminations | truncations).float()
            # An episode that was cut off would have gone on for what the critic says.
            if truncations.any():
                cut_off = np.flatnonzero(truncations)
                last = [infos["final_obs"][i] for i in cut_off]
                final_obs = agent.prepare({k: np.stack([o[k] for o in last]) for k in last[0]})
                with torch.no_grad():
                    rewards[step, cut_off] += args.gamma * agent.predict_values(final_obs).flatten()

        # Advantages
        with torch.no_grad():
            next_value = agent.predict_values(next_obs).flatten()
        advantages = torch.zeros_like(rewards)
        lastgaelam = torch.zeros(args.num_envs)
        for t in reversed(range(args.num_steps)):
            last_step = t == args.num_steps - 1
            nextnonterminal = 1.0 - (next_done if last_step else dones[t + 1])
            nextvalues = next_value if last_step else values[t + 1]
            delta = rewards[t] + args.gamma * nextvalues * nextnonterminal - values[t]
            lastgaelam = delta + args.gamma * args.gae_lambda * nextnonterminal * lastgaelam
            advantages[t] = lastgaelam
        returns = advantages + values

        # Update
        agent.set_training_mode(True)
        b_obs = {k: v.flatten(0, 1) for k, v in obs.items()}
        b_actions, b_logprobs, b_advantages, b_returns = (
            part.flatten() for part in (actions, logprobs, advantages, returns)
        )
        b_inds = np.arange(batch_size)
        for _ in range(args.update_epochs):
            np.random.shuffle(b_inds)  # noqa: NPY002
            for start in range(0, batch_size, minibatch_size):
                mb_inds = torch.as_tensor(b_inds[start : start + minibatch_size])
                mb_obs = {k: v[mb_inds] for k, v in b_obs.items()}
                newvalue, newlogprob, entropy = agent.evaluate_actions(mb_obs, b_actions[mb_inds])
                logratio = newlogprob - b_logprobs[mb_inds]
                ratio = logratio.exp()
                mb_advantages = b_advantages[mb_inds]
                if args.norm_adv:
                    mb_advantages = (mb_advantages - mb_advantages.mean()) / (
                        mb_advantages.std() + 1e-8
                    )
                clipped = ratio.clamp(1 - args.clip_coef, 1 + args.clip_coef)
                pg_loss = torch.max(-mb_advantages * ratio, -mb_advantages * clipped).mean()
                v_loss = 0.5 * (newvalue.flatten() - b_returns[mb_inds]).square().mean()
                loss = pg_loss - args.ent_coef * entropy.mean() + args.vf_coef * v_loss

                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(trained, args.max_grad_norm)
                optimizer.step()

        yield {
            "global_step": global_step,
            "steps_per_s": global_step / (time.time() - start_time),
            "reward_per_step": reward_sum / batch_size,
            "policy_loss": pg_loss.item(),
            "value_loss": v_loss.item(),
            "entropy": entropy.mean().item(),
            "approx_kl": ((ratio - 1) - logratio).mean().item(),
        }
    envs.close()


if __name__ == "__main__":
    with exit_status("Nothing was written; start again."):
        for figures in iterations(tyro.cli(Args)):
            print("  ".join(f"{name} {value:.4g}" for name, value in figures.items()), flush=True)
