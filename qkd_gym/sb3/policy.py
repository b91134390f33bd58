"""A policy that scores links and paths by shared weights, whatever their number."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from gymnasium import spaces
from sb3_contrib.common.maskable.distributions import MaskableDistribution
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor, nn
from torch.optim import Adam

from qkd_gym.envs.tasks import Task, task_of
from qkd_gym.features import LINK_FEATURES, PATH_FEATURES, REQUEST_FEATURES
from qkd_gym.sb3.advice import Adviser, advise, make_adviser, require_raw
from qkd_gym.sb3.distribution import ILLEGAL, MaskedCategoricals
from qkd_gym.sb3.extractor import Encoding, GraphFeaturesExtractor
from qkd_gym.sb3.link_scores import link_scores
from qkd_gym.sb3.transfer import to_device

# Logit per unit of a rule's gain: at 10 the random policy is .3 points worse than the rule itself,
# and yet tries most links that the rule ranks close to its choice.
_LOGIT_PER_GAIN = 10.0
# Where the operator says which links make way, steps that let no time pass add up: at 10 a random
# schedule is two points worse than the schedule itself, at 20 no more than .3.
_LOGIT_PER_GAIN_OF_SWITCHES = 20.0
# Means over all links differ little.
_DIFFERENCE_SCALE = 10.0


class PointerHeads(nn.Module):
    """Scores actions one by one; no weight depends on how many there are.

    Args:
        extractor: Encodes the observations; its widths are those of the heads' inputs.
        task: What is decided: links, paths or both.
        hidden: Width of the hidden layers.
        adviser: Rule or schedule whose scores of the links are added to those of the network.
    """

    def __init__(
        self,
        extractor: GraphFeaturesExtractor,
        task: Task,
        hidden: int,
        adviser: Adviser | None,
    ) -> None:
        super().__init__()
        self.task, self.adviser = task, adviser
        width, pooled = extractor.width, extractor.features_dim
        # SB3 builds layers of these sizes behind the heads; the policy replaces them.
        self.latent_dim_pi = self.latent_dim_vf = 1
        if task.decides_links:
            self.link_score = _last(width, 2)
            self.hold_score = _scorer(pooled, hidden)
        if task.decides_paths:
            of_path = len(PATH_FEATURES) + len(REQUEST_FEATURES) + width
            self.path_score = _scorer(of_path, hidden)
            self.refuse_score = _scorer(pooled + len(REQUEST_FEATURES), hidden)
        asked = len(REQUEST_FEATURES) if task.decides_paths else 0
        self.value = nn.Sequential(
            nn.Linear(pooled + asked + len(LINK_FEATURES), 64),
            nn.Tanh(),
            nn.Linear(64, 64),
            nn.Tanh(),
            nn.Linear(64, 1),
        )

    def forward(self, encoding: Encoding) -> tuple[Tensor, Tensor]:
        """Masked logits, (B, actions), and values, (B, 1)."""
        return self.forward_actor(encoding), self.forward_critic(encoding)

    def forward_actor(self, encoding: Encoding) -> Tensor:
        """Masked logits, (B, actions): paths and refusal, then links and hold."""
        logits = []
        if self.task.decides_paths:
            logits += self._paths(encoding)
        if self.task.decides_links:
            logits.append(self._links(encoding))
        legal = encoding.observation["action_mask"] > 0
        return torch.cat(logits, dim=1).masked_fill(~legal, ILLEGAL)

    def forward_critic(self, encoding: Encoding) -> Tensor:
        """Values, (B, 1).

        The critic reads the encodings but does not shape them: its errors are far larger than the
        actor's gradient and would drown it.
        """
        pooled = encoding.pooled.detach()
        if self.task.decides_paths:
            pooled = torch.cat([pooled, encoding.observation["request"]], dim=1)
        difference = encoding.observation.get("control_difference")
        if difference is None:
            difference = pooled.new_zeros(len(pooled), len(LINK_FEATURES))
        return self.value(torch.cat([pooled, _DIFFERENCE_SCALE * difference], dim=1))

    def _links(self, encoding: Encoding) -> Tensor:
        # One output for switching a link on and one for switching it off.
        observation, layer = encoding.observation, self.link_score
        scores = link_scores(encoding.links, observation["n_links"], layer.weight, layer.bias)
        switch_on, switch_off = scores.unbind(2)
        scores = torch.where(observation["running"], switch_off, switch_on)
        logits = torch.cat([scores, self.hold_score(encoding.pooled)], dim=1)
        if self.adviser is None:
            return logits
        scale = _LOGIT_PER_GAIN_OF_SWITCHES if self.task.decides_releases else _LOGIT_PER_GAIN
        return logits + scale * observation["advice"]

    def _paths(self, encoding: Encoding) -> list[Tensor]:
        observation = encoding.observation
        links = encoding.links
        paths, request = observation["paths"], observation["request"]
        # Index E is padding and reads zeros.
        table = torch.cat([links, links.new_zeros(len(links), 1, links.shape[2])], dim=1)
        along = observation["path_links"].long()
        rows = torch.arange(len(links), device=links.device)[:, None, None]
        hops = (along < links.shape[1]).sum(2, keepdim=True).clamp(min=1)
        on_path = table[rows, along].sum(2) / hops
        asked = request[:, None].expand(-1, paths.shape[1], -1)
        scores = self.path_score(torch.cat([paths, asked, on_path], dim=2))[..., 0]
        refuse = self.refuse_score(torch.cat([encoding.pooled, request], dim=1))
        return [scores, refuse]


def _last(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    # All actions start equally likely.
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _scorer(inputs: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), _last(hidden, 1))


def action_choices(space: Any) -> list[int]:
    """Number of choices of each decision of a discrete action space."""
    counts = [space.n] if isinstance(space, spaces.Discrete) else space.nvec
    return [int(count) for count in counts]


class LinkPointerPolicy(MaskableActorCriticPolicy):
    """Actor-critic policy for the three environments, trained on one size, usable on others.

    Links, and candidate paths where requests are decided, are scored by weights that they share,
    on the encodings of `GraphFeaturesExtractor`. The observation's action mask is applied to the
    logits, so plain ``predict`` and plain PPO never act illegally either. ``ortho_init`` is off:
    it would overwrite the pretrained weights.

    Args:
        observation_space: Space of one of the package's environments.
        action_space: Its action space.
        lr_schedule: Learning rate as a function of the remaining progress.
        hidden: Width of the heads' hidden layers.
        adviser: What scores links: a baseline, ``agent:NAME`` for a scored schedule that the
            package ships, or the path of a schedule's file. The policy starts as that, made random,
            and learns what to add to its scores (residual policy learning: Silver et al., 2018).
        mixed_precision: Whether matrix products are computed in bfloat16, which GPUs do several
            times faster; weights, sums and losses stay float32.
        **kwargs: Further arguments of the base class, ``features_extractor_kwargs`` among them.
            A ``features_extractor_class`` must be a kind of `GraphFeaturesExtractor`.
    """

    features_extractor: GraphFeaturesExtractor

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        hidden: int = 32,
        adviser: str = "",
        mixed_precision: bool = False,
        **kwargs: Any,
    ) -> None:
        self.hidden, self.adviser, self.mixed_precision = hidden, adviser, mixed_precision
        kwargs.setdefault("features_extractor_class", GraphFeaturesExtractor)
        kwargs["ortho_init"] = False
        if "optimizer_kwargs" not in kwargs and kwargs.get("optimizer_class", Adam) is Adam:
            # Stable-Baselines3's; and all weights in one call, which takes a fifth of the time.
            kwargs["optimizer_kwargs"] = {"eps": 1e-5, "fused": True}
        super().__init__(observation_space, action_space, lr_schedule, **kwargs)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("hidden", "adviser", "mixed_precision")}
        return {**super()._get_constructor_parameters(), **own}

    def fitted_to(
        self, observation_space: spaces.Dict, action_space: spaces.Space[Any]
    ) -> LinkPointerPolicy:
        """A policy with copies of the weights for networks of another size, which they fit too.

        Args:
            observation_space: Space of an environment with the same task.
            action_space: Its action space.
        """
        arguments = self._get_constructor_parameters()
        arguments |= {"observation_space": observation_space, "action_space": action_space}
        fitted = type(self)(**arguments)
        fitted.load_state_dict(self.state_dict())
        fitted.set_training_mode(False)
        return fitted.to(self.device)

    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor = PointerHeads(  # type: ignore[assignment]
            self.features_extractor,
            task_of(self.observation_space.spaces),  # type: ignore[attr-defined]
            self.hidden,
            make_adviser(self.adviser) if self.adviser else None,
        )
        self.action_dist = MaskedCategoricals(
            action_choices(self.action_space), isinstance(self.action_space, spaces.Discrete)
        )

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        # The heads give logits and values themselves.
        self.value_net = nn.Identity()  # type: ignore[assignment]
        trained = [weight for weight in self.parameters() if weight.requires_grad]
        self.optimizer = self.optimizer_class(
            trained,
            lr=lr_schedule(1),  # type: ignore[call-arg]
            **self.optimizer_kwargs,
        )

    def prepare(
        self, observation: Mapping[str, Any], places: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """What the policy makes of observations before any weight that learns has a part in it.

        All methods take the result in place of observations, as often as they like. Acting on it
        and learning from it later costs the frozen part of the network once.

        Args:
            observation: B observations of an environment, as arrays or tensors by field.
            places: Memory by field, see `GraphFeaturesExtractor.prepare`.

        Returns:
            Tensors on the policy's device, each with B rows.

        Raises:
            InvalidInput: If the observations have been normalised.
        """
        require_raw({name: value[:1] for name, value in observation.items()})
        tensors = {n: each for n, each in observation.items() if isinstance(each, Tensor)}
        arrays = {n: each for n, each in observation.items() if n not in tensors}
        known = to_device(arrays, self.device)
        known |= {name: tensor.to(self.device) for name, tensor in tensors.items()}
        adviser: Any = self.mlp_extractor.adviser
        if adviser is not None and "advice" not in known:
            read = {name: tensor.cpu().numpy() for name, tensor in known.items()}
            known["advice"] = torch.as_tensor(advise(adviser, read), device=self.device)
        with self._lower_precision():
            return self.features_extractor.prepare(known, places)

    def extract_features(self, obs: Any, features_extractor: Any = None) -> Any:
        """Encodes observations, or what `prepare` made of them, once for actor and critic."""
        is_prepared = "n_links" in obs
        return self.features_extractor.encode(obs if is_prepared else self.prepare(obs))

    # The base class would bypass `extract_features` in all that follows.

    def _lower_precision(self) -> AbstractContextManager[Any]:
        if not self.mixed_precision:
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def _distribution_and_values(
        self, obs: Any, action_masks: Any
    ) -> tuple[MaskableDistribution, Tensor]:
        with self._lower_precision():
            logits, values = self.mlp_extractor(self.extract_features(obs))
        distribution = self._get_action_dist_from_latent(logits.float())
        distribution.apply_masking(action_masks)
        return distribution, values.float()

    def forward(
        self, obs: Any, deterministic: bool = False, action_masks: Any = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Actions, values (B, 1), and the logarithm of the actions' probabilities (B,)."""
        distribution, values = self._distribution_and_values(obs, action_masks)
        actions = distribution.get_actions(deterministic=deterministic)
        return actions, values, distribution.log_prob(actions)

    def evaluate_actions(
        self, obs: Any, actions: Tensor, action_masks: Any = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Values (B, 1), logarithm of the actions' probabilities (B,), and entropies (B,)."""
        distribution, values = self._distribution_and_values(obs, action_masks)
        return values, distribution.log_prob(actions), distribution.entropy()

    def get_distribution(self, obs: Any, action_masks: Any = None) -> MaskableDistribution:
        """Distribution over the actions of a batch of observations."""
        with self._lower_precision():
            logits = self.mlp_extractor.forward_actor(self.extract_features(obs))
        distribution = self._get_action_dist_from_latent(logits.float())
        distribution.apply_masking(action_masks)
        return distribution

    def predict_values(self, obs: Any) -> Tensor:
        """Values of observations, (B, 1)."""
        with self._lower_precision():
            values = self.mlp_extractor.forward_critic(self.extract_features(obs))
        return values.float()
