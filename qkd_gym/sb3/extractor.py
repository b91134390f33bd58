"""The graph network as a features extractor of Stable-Baselines3."""

from __future__ import annotations

from typing import NamedTuple

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from qkd_gym.envs.layout import CONTEXT_FEATURES, LINK_FEATURES, NODE_FEATURES
from qkd_gym.gnn.graphs import batch_graphs
from qkd_gym.gnn.model import LinkViabilityGNN
from qkd_gym.gnn.weights import load_pretrained


class Encoding(NamedTuple):
    """What the extractor makes of a batch of B observations.

    Attributes:
        links: (B, E, width) one vector per link, zero at padding.
        pooled: (B, 2 * width + context) mean and maximum over the links, and the context.
    """

    links: Tensor
    pooled: Tensor


class GraphFeaturesExtractor(BaseFeaturesExtractor):
    """Encodes links by the viability network and by what their surroundings want.

    The (pretrained) viability network embeds every link. A second, trained stage joins that
    embedding with all of the link's features, gathers mean and maximum at the sites, and hands
    them back to the links, so that a link knows what competes for its modules. As a features
    extractor it returns the pooled vector, whose size does not depend on the network; policies
    that decide per link call `encode`.

    Args:
        observation_space: Space of one of the package's environments.
        width: Width of the encodings.
        pretrained: Whether to start from the shipped weights of the viability network.
        frozen: Whether the viability network stays as it is, and in evaluation mode.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        width: int = 32,
        pretrained: bool = True,
        frozen: bool = True,
    ) -> None:
        super().__init__(observation_space, features_dim=2 * width + len(CONTEXT_FEATURES))
        self.width, self.frozen = width, frozen
        self.viability = load_pretrained() if pretrained else LinkViabilityGNN()
        if frozen:
            self.viability.requires_grad_(False)
        known = len(LINK_FEATURES) + self.viability.hidden
        self.link_net = nn.Sequential(
            nn.Linear(known + len(NODE_FEATURES), width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
        )
        self.site_net = nn.Sequential(nn.Linear(2 * width + len(NODE_FEATURES), width), nn.ReLU())
        self.join_net = nn.Sequential(nn.Linear(3 * width, width), nn.ReLU())
        self.train(self.training)

    def train(self, mode: bool = True) -> GraphFeaturesExtractor:
        """Sets the mode; a frozen viability network stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.viability.eval()
        return self

    def encode(self, observation: dict[str, Tensor]) -> Encoding:
        """Encodes a batch of padded observations."""
        graphs = batch_graphs(observation)
        if "link_embedding" in observation:
            quality = observation["link_embedding"].flatten(0, 1)[graphs.slots]
        else:
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
                quality = self.viability.embed(graphs)
        first, second = graphs.ends
        around = graphs.nodes[first] + graphs.nodes[second]
        links = self.link_net(torch.cat([graphs.links, quality, around], dim=1))

        ends, twice = torch.cat([first, second]), torch.cat([links, links])
        sites = len(graphs.nodes)
        zeros = links.new_zeros(sites, self.width)
        total = zeros.index_add(0, ends, twice)
        count = links.new_zeros(sites).index_add(0, ends, links.new_ones(len(ends)))
        mean = total / count.clamp(min=1.0)[:, None]
        top = zeros.scatter_reduce(0, ends[:, None].expand_as(twice), twice, "amax")
        at_site = self.site_net(torch.cat([mean, top, graphs.nodes], dim=1))
        gap = (at_site[first] - at_site[second]).abs()
        joined = self.join_net(torch.cat([links, at_site[first] + at_site[second], gap], dim=1))

        mask = observation["link_mask"]
        padded = joined.new_zeros(mask.numel(), self.width).index_copy(0, graphs.slots, joined)
        padded = padded.view(*mask.shape, self.width)
        share = padded.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        # Encodings are not negative, so padding's zeros do not disturb the maximum.
        pooled = torch.cat([share, padded.amax(1), observation["context"]], dim=1)
        return Encoding(padded, pooled)

    def forward(self, observation: dict[str, Tensor]) -> Tensor:
        """The pooled vector, (B, features_dim)."""
        return self.encode(observation).pooled
