"""A policy that scores links and paths by shared weights, whatever their number."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from gymnasium import spaces
from sb3_contrib.common.maskable.distributions import MaskableDistribution
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor, nn

from qkd_gym.envs.layout import PATH_FEATURES, REQUEST_FEATURES
from qkd_gym.sb3.extractor import Encoding, GraphFeaturesExtractor

# Logit of an illegal action: far below any other, yet finite, so that entropies stay defined.
_ILLEGAL = -1e8


class Situation(NamedTuple):
    """Encoded links and the rest of the observation, as the heads need them."""

    encoding: Encoding
    observation: dict[str, Tensor]


class PointerHeads(nn.Module):
    """Scores actions one by one; no weight depends on how many there are.

    Args:
        extractor: Tells the widths.
        decides_paths: Whether paths are decided.
        decides_links: Whether links are decided.
        hidden: Width of the hidden layers.
    """

    def __init__(
        self,
        extractor: GraphFeaturesExtractor,
        decides_paths: bool,
        decides_links: bool,
        hidden: int,
    ) -> None:
        super().__init__()
        width, pooled = extractor.width, extractor.features_dim
        # SB3 builds layers of these sizes behind the heads; the policy replaces them.
        self.latent_dim_pi = self.latent_dim_vf = 1
        if decides_links:
            self.link_score = _scorer(width + hidden, hidden)
            self.link_context = nn.Linear(pooled, hidden)
            self.hold_score = _scorer(pooled, hidden)
        if decides_paths:
            of_path = len(PATH_FEATURES) + len(REQUEST_FEATURES) + width
            self.path_score = _scorer(of_path, hidden)
            self.refuse_score = _scorer(pooled + len(REQUEST_FEATURES), hidden)
        self.decides_paths, self.decides_links = decides_paths, decides_links
        asked = len(REQUEST_FEATURES) if decides_paths else 0
        self.value = nn.Sequential(
            nn.Linear(pooled + asked, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1)
        )

    def forward(self, situation: Situation) -> tuple[Tensor, Tensor]:
        """Masked logits, (B, actions), and values, (B, 1)."""
        return self.forward_actor(situation), self.forward_critic(situation)

    def forward_actor(self, situation: Situation) -> Tensor:
        """Masked logits, (B, actions): paths and refusal, then links and hold."""
        logits = []
        if self.decides_paths:
            logits += self._paths(situation)
        if self.decides_links:
            logits += self._links(situation.encoding)
        legal = situation.observation["action_mask"] > 0
        return torch.cat(logits, dim=1).masked_fill(~legal, _ILLEGAL)

    def forward_critic(self, situation: Situation) -> Tensor:
        """Values, (B, 1)."""
        pooled = situation.encoding.pooled
        if self.decides_paths:
            pooled = torch.cat([pooled, situation.observation["request"]], dim=1)
        value: Tensor = self.value(pooled)
        return value

    def _links(self, encoding: Encoding) -> list[Tensor]:
        context = self.link_context(encoding.pooled)[:, None].expand(
            -1, encoding.links.shape[1], -1
        )
        scores = self.link_score(torch.cat([encoding.links, context], dim=2))[..., 0]
        return [scores, self.hold_score(encoding.pooled)]

    def _paths(self, situation: Situation) -> list[Tensor]:
        observation, links = situation.observation, situation.encoding.links
        paths, request = observation["paths"], observation["request"]
        # Index E is padding and reads zeros.
        table = torch.cat([links, links.new_zeros(len(links), 1, links.shape[2])], dim=1)
        along = observation["path_links"].long()
        rows = torch.arange(len(links), device=links.device)[:, None, None]
        hops = (along < links.shape[1]).sum(2, keepdim=True).clamp(min=1)
        on_path = table[rows, along].sum(2) / hops
        asked = request[:, None].expand(-1, paths.shape[1], -1)
        scores = self.path_score(torch.cat([paths, asked, on_path], dim=2))[..., 0]
        refuse = self.refuse_score(torch.cat([situation.encoding.pooled, request], dim=1))
        return [scores, refuse]


def _scorer(inputs: int, hidden: int) -> nn.Sequential:
    last = nn.Linear(hidden, 1)
    # All actions start equally likely.
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), last)


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
        **kwargs: Further arguments of the base class, ``features_extractor_kwargs`` among them.
    """

    features_extractor: GraphFeaturesExtractor

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        hidden: int = 32,
        **kwargs: Any,
    ) -> None:
        self.hidden = hidden
        fixed = {"ortho_init": False, "features_extractor_class": GraphFeaturesExtractor}
        super().__init__(observation_space, action_space, lr_schedule, **{**kwargs, **fixed})

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), "hidden": self.hidden}

    def _build_mlp_extractor(self) -> None:
        decides_paths = "paths" in self.observation_space.spaces  # type: ignore[attr-defined]
        links = self.observation_space["links"].shape[0]  # type: ignore[index]
        decides_links = self.observation_space["action_mask"].shape[0] > links  # type: ignore[index]
        self.mlp_extractor = PointerHeads(  # type: ignore[assignment]
            self.features_extractor, decides_paths, decides_links, self.hidden
        )

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        # The heads give logits and values themselves.
        self.action_net = nn.Identity()  # type: ignore[assignment]
        self.value_net = nn.Identity()  # type: ignore[assignment]
        trained = [weight for weight in self.parameters() if weight.requires_grad]
        self.optimizer = self.optimizer_class(
            trained,
            lr=lr_schedule(1),  # type: ignore[call-arg]
            **self.optimizer_kwargs,
        )

    def extract_features(self, obs: Any, features_extractor: Any = None) -> Any:
        """Encodes the observation once for actor and critic."""
        return Situation(self.features_extractor.encode(obs), obs)

    # The next two exist because the base class would bypass `extract_features`.

    def get_distribution(self, obs: Any, action_masks: Any = None) -> MaskableDistribution:
        """Distribution over the actions of a batch of observations."""
        logits = self.mlp_extractor.forward_actor(self.extract_features(obs))
        distribution = self._get_action_dist_from_latent(logits)
        if action_masks is not None:
            distribution.apply_masking(action_masks)
        return distribution

    def predict_values(self, obs: Any) -> Tensor:
        """Values of observations, (B, 1)."""
        return self.mlp_extractor.forward_critic(self.extract_features(obs))
