"""Proximal policy optimisation whose data stay on the device, in one process or several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib import MaskablePPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from qkd_gym.sb3.group import Group
from qkd_gym.sb3.memory import keep_freed_memory
from qkd_gym.sb3.policy import LinkPointerPolicy
from qkd_gym.sb3.rollout import Rollouts, Samples
from qkd_gym.sb3.split import SplitVecEnv, joined
from qkd_gym.sb3.totals import LogsTotals
from qkd_gym.sb3.transfer import Arriving

# Statistics of a minibatch, in the order of `_losses`.
_STATISTICS = (
    "policy_gradient_loss", "value_loss", "entropy_loss", "loss", "clip_fraction", "approx_kl",
)  # fmt: skip


def joined_gradients(module: nn.Module) -> Tensor:
    """Gives the weights that learn zero gradients that lie in one vector, and returns that.

    What is done to all gradients, such as to average and to clip them, is then done at once. It
    lasts until somebody removes the gradients.

    Args:
        module: Whose weights.
    """
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    sizes = [weight.numel() for weight in weights]
    vector = weights[0].new_zeros(sum(sizes))
    for weight, part in zip(weights, vector.split(sizes), strict=True):
        weight.grad = part.view_as(weight)
    return vector


@dataclass
class _Part:
    """Environments that are stepped together.

    Attributes:
        env: The environments.
        members: Which of all environments they are.
        observation: What they observe, each (n, ...).
        actions: What the policy has decided, (n,) or (n, decisions).
    """

    env: VecEnv
    members: slice
    observation: dict[str, NDArray[Any]]
    actions: Arriving | None = None


class GraphPPO(LogsTotals, MaskablePPO):
    """MaskablePPO for `LinkPointerPolicy`, with the same mathematics and less around it.

    An observation is prepared once (`LinkPointerPolicy.prepare`) and kept on the device; nothing
    waits for the device but the environments for their actions, and statistics are fetched when
    the update is over. Legal actions are read from the observations, so ``use_masking`` changes
    nothing.

    In a group of processes each has a replica of the model, its share of the environments, and of
    every minibatch an equal share of rows, from its own rollouts. Gradients are the means over all
    processes, advantages are normalised by the moments of the whole minibatch, and steps are
    counted for all of them; means of the last episodes' returns are the own ones'. All processes
    must start with equal weights.

    Args:
        *args: Arguments of the base class.
        group: The processes that train the model; by default this one alone. ``batch_size`` counts
            the rows of all and must be a multiple of its size.
        **kwargs: Arguments of the base class.
    """

    policy: LinkPointerPolicy  # type: ignore[assignment]
    rollout_buffer: Rollouts  # type: ignore[assignment]

    def __init__(self, *args: Any, group: Group | None = None, **kwargs: Any) -> None:
        self.group = Group() if group is None else group
        super().__init__(*args, **{"rollout_buffer_class": Rollouts, **kwargs})

    def _setup_model(self) -> None:
        keep_freed_memory()
        super()._setup_model()

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "group"]

    def collect_rollouts(  # type: ignore[override]
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: Rollouts,
        n_rollout_steps: int,
        use_masking: bool = True,
    ) -> bool:
        """Fills the rollouts; see the base class.

        Of environments in several parts (`SplitVecEnv`) one part is stepped while the device
        decides for the others.
        """
        self.policy.set_training_mode(False)
        callback.on_rollout_start()
        parts = self._parts(env)
        for part in parts:
            self._decide(part, rollout_buffer, 0)
        for step in range(n_rollout_steps):
            results = []
            for part in parts:
                results.append(self._step(part, rollout_buffer, step))
                if step + 1 < n_rollout_steps:
                    self._decide(part, rollout_buffer, step + 1)
            self.num_timesteps += env.num_envs * self.group.size
            rewards, dones = (np.concatenate(each) for each in list(zip(*results, strict=True))[:2])
            infos = [info for result in results for info in result[2]]
            callback.update_locals(locals())
            if not callback.on_step():
                return False
            self._update_info_buffer([infos[i] for i in np.flatnonzero(dones)])
        with torch.no_grad():
            seen = [self.policy.prepare(part.observation) for part in parts]
            last = [self.policy.predict_values(prepared) for prepared in seen]
        rollout_buffer.finish(torch.cat(last)[:, 0])
        self._last_obs = joined([part.observation for part in parts])  # type: ignore[assignment]
        self._last_episode_starts = dones
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def _parts(self, env: VecEnv) -> list[_Part]:
        """The environments in the parts in which they are stepped."""
        observation: Any = self._last_obs
        if not isinstance(env, SplitVecEnv):
            return [_Part(env, slice(0, env.num_envs), observation)]
        return [
            _Part(one, members, {name: array[members] for name, array in observation.items()})
            for one, members in zip(env.parts, env.members, strict=True)
        ]

    def _decide(self, part: _Part, rollouts: Rollouts, step: int) -> None:
        """Lets the device decide for a part, without waiting for what it decides."""
        with torch.no_grad():
            places = rollouts.places(step, part.members)
            prepared = self.policy.prepare(part.observation, places)
            actions, values, log_probs = self.policy(prepared)
            part.actions = Arriving(actions)
            rollouts.add_decisions(step, part.members, prepared, actions, values, log_probs)

    def _step(
        self, part: _Part, rollouts: Rollouts, step: int
    ) -> tuple[NDArray[Any], NDArray[Any], list[dict[str, Any]]]:
        """Steps a part: its rewards, which episodes have ended, and infos."""
        assert part.actions is not None
        observation, rewards, dones, infos = part.env.step(part.actions.numpy())
        part.observation = observation  # type: ignore[assignment]
        rollouts.add_results(step, part.members, rewards, dones)
        cut_off = [i for i in np.flatnonzero(dones) if infos[i].get("TimeLimit.truncated")]
        if cut_off:
            seen = [infos[i]["terminal_observation"] for i in cut_off]
            stacked = {name: np.stack([one[name] for one in seen]) for name in seen[0]}
            with torch.no_grad():
                values = self.policy.predict_values(self.policy.prepare(stacked))[:, 0]
            members = torch.as_tensor(cut_off).to(self.device) + part.members.start
            rollouts.add_values_beyond(step, members, values)
        return rewards, dones, infos

    def train(self) -> None:
        """Updates the policy by the rollouts; see the base class."""
        self.policy.set_training_mode(True)
        optimizer, group, rollouts = self.policy.optimizer, self.group, self.rollout_buffer
        self._update_learning_rate(optimizer)
        assert self.batch_size is not None
        share = self.batch_size // group.size
        gradients = joined_gradients(self.policy)
        statistics: list[list[Tensor]] = []
        stopped = False
        for epoch in range(self.n_epochs):
            statistics.append([])
            batches = torch.randperm(len(rollouts), device=self.device).split(share)
            for rows, moments in zip(batches, self._moments(batches), strict=True):
                loss, noted = self._losses(rollouts.select(rows), *moments)
                statistics[-1].append(noted)
                if self.target_kl is not None:
                    divergence = group.mean_(noted[_STATISTICS.index("approx_kl")].clone())
                    stopped = float(divergence) > 1.5 * self.target_kl
                    if stopped:
                        if self.verbose >= 1:
                            print(f"Early stopping at step {epoch}: KL is {divergence:.2f}")
                        break
                gradients.zero_()
                loss.backward()  # type: ignore[no-untyped-call]
                group.mean_(gradients)
                gradients.mul_((self.max_grad_norm / (gradients.norm() + 1e-6)).clamp(max=1.0))
                optimizer.step()
            self._n_updates += 1
            if stopped:
                break
        self._record(statistics)

    def _moments(self, batches: tuple[Tensor, ...]) -> list[tuple[Tensor, Tensor]]:
        """Mean and standard deviation of the advantages of whole minibatches.

        Args:
            batches: The rows of every minibatch here, each (n,).
        """
        advantages = self.rollout_buffer.advantages.flatten().double()
        sums = torch.stack(
            [
                torch.stack([part.new_tensor(len(part)), part.sum(), part.square().sum()])
                for part in (advantages.index_select(0, rows) for rows in batches)
            ]
        )
        count, total, squares = self.group.sum_(sums).unbind(1)
        mean = total / count
        variance = (squares - total * mean) / (count - 1).clamp(min=1)
        deviation = variance.clamp(min=0.0).sqrt()
        return list(zip(mean.float().unbind(), deviation.float().unbind(), strict=True))

    def _losses(self, batch: Samples, mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of a minibatch, and its statistics as in `_STATISTICS`."""
        left = self._current_progress_remaining
        clip_range = self.clip_range(left)  # type: ignore[operator]
        values, log_probs, entropies = self.policy.evaluate_actions(
            batch.observations, batch.actions
        )
        assert entropies is not None
        values = values.flatten()
        advantages = batch.advantages
        if self.normalize_advantage:
            advantages = (advantages - mean) / (deviation + 1e-8)
        log_ratio = log_probs - batch.log_probs
        ratio = log_ratio.exp()
        clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
        policy_loss = -torch.min(advantages * ratio, advantages * clipped).mean()
        if self.clip_range_vf is not None:
            reach = self.clip_range_vf(left)  # type: ignore[operator]
            values = batch.values + (values - batch.values).clamp(-reach, reach)
        value_loss = mse_loss(values, batch.returns)
        entropy_loss = -entropies.mean()
        loss = policy_loss + self.ent_coef * entropy_loss + self.vf_coef * value_loss
        with torch.no_grad():
            clip_fraction = ((ratio - 1).abs() > clip_range).float().mean()
            approx_kl = (ratio - 1 - log_ratio).mean()
            noted = (policy_loss, value_loss, entropy_loss, loss, clip_fraction, approx_kl)
            return loss, torch.stack(noted)

    def _record(self, statistics: list[list[Tensor]]) -> None:
        """Logs an update under the names that the base class gives.

        Args:
            statistics: Those of every minibatch, by epoch, as in `_STATISTICS`.
        """
        means = torch.stack([torch.stack(epoch).mean(0) for epoch in statistics])
        every = torch.cat([torch.stack(epoch) for epoch in statistics]).mean(0)
        final = torch.stack([statistics[-1][-1], means[-1], every])
        last, last_epoch, whole = self.group.mean_(final.cpu()).tolist()
        # The base class logs the loss of the last minibatch, and the divergence of the last epoch.
        sources = {"loss": last, "approx_kl": last_epoch}
        for i, name in enumerate(_STATISTICS):
            self.logger.record(f"train/{name}", sources.get(name, whole)[i])
        self.logger.record("train/explained_variance", self._explained_variance())
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        left = self._current_progress_remaining
        self.logger.record("train/clip_range", self.clip_range(left))  # type: ignore[operator]
        if self.clip_range_vf is not None:
            self.logger.record("train/clip_range_vf", self.clip_range_vf(left))  # type: ignore[operator]

    def _explained_variance(self) -> float:
        """Share of the returns' variance that the critic foresaw; NaN where they do not vary."""
        returns = self.rollout_buffer.returns.double()
        errors = returns - self.rollout_buffer.values
        sums = torch.stack(
            [each.sum() for each in (returns, returns.square(), errors, errors.square())]
        )
        first, first_squares, other, other_squares = self.group.mean_(sums.cpu()).tolist()
        count = len(self.rollout_buffer)
        variance = first_squares - first * first / count
        left = other_squares - other * other / count
        return 1.0 - left / variance if variance > 0.0 else float("nan")
