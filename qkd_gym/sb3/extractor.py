"""The graph network as a features extractor of Stable-Baselines3."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from qkd_gym.features import CONTEXT_FEATURES, LINK_FEATURES, NODE_FEATURES
from qkd_gym.gnn.graphs import GraphBatch, batch_graphs
from qkd_gym.gnn.model import LinkViabilityGNN
from qkd_gym.gnn.weights import load_pretrained

_STATISTICS = 2 * len(LINK_FEATURES) + len(CONTEXT_FEATURES)


@dataclass(frozen=True)
class Encoding:
    """What the extractor makes of a batch of B observations with L real links in all.

    Attributes:
        links: (L, width) one vector per link, without padding.
        features: (L, features) the features of those links.
        slots: (L,) position of each link in the flattened padded array, b * E + e.
        pooled: (B, features_dim) mean of the links' vectors, mean and maximum of their features,
            and the context.
        observation: The batch that was encoded, by field.
    """

    links: Tensor
    features: Tensor
    slots: Tensor
    pooled: Tensor
    observation: dict[str, Tensor]

    def pad(self, values: Tensor, fill: float = 0.0) -> Tensor:
        """Values (L, ...) as (B, E, ...), with ``fill`` at padding."""
        mask = self.observation["link_mask"]
        padded = values.new_full((mask.numel(), *values.shape[1:]), fill)
        return padded.index_copy(0, self.slots, values).view(*mask.shape, *values.shape[1:])


class GraphFeaturesExtractor(BaseFeaturesExtractor):
    """Encodes links by the viability network and by what their surroundings want.

    The (pretrained) viability network embeds every link. A second, trained stage joins that
    embedding with all of the link's features, gathers them at the sites, and hands them back to
    the links, so that a link knows what competes for its modules. As a features extractor it
    returns the pooled vector, whose size does not depend on the network; policies that decide per
    link call `encode`.

    Sums over sites and graphs carry gradients; maxima are taken over the links' own features,
    which carry none: the backward pass of a maximum costs as much as all layers here together.

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
        super().__init__(observation_space, features_dim=width + _STATISTICS)
        self.width, self.frozen = width, frozen
        self.viability = load_pretrained() if pretrained else LinkViabilityGNN()
        if frozen:
            self.viability.requires_grad_(False)
        features, at_site = len(LINK_FEATURES), len(NODE_FEATURES)
        self.link_net = nn.Linear(features + self.viability.hidden + at_site, width)
        self.site_net = nn.Linear(width + features + at_site, width)
        self.join_link = nn.Linear(width, width)
        self.join_site = nn.Linear(width, width, bias=False)
        self.join_graph = nn.Linear(width + _STATISTICS, width, bias=False)
        self.train(self.training)

    def train(self, mode: bool = True) -> GraphFeaturesExtractor:
        """Sets the mode; a frozen viability network stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.viability.eval()
        return self

    def collate(self, observation: dict[str, Tensor]) -> GraphBatch:
        """The observations' graphs as one graph."""
        return batch_graphs(observation)

    def encode(self, observation: dict[str, Tensor]) -> Encoding:
        """Encodes a batch of padded observations."""
        graphs = self.collate(observation)
        if "link_embedding" in observation:
            quality = observation["link_embedding"].flatten(0, 1).index_select(0, graphs.slots)
        else:
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
                quality = self.viability.embed(graphs)
        first, second = graphs.ends[0].contiguous(), graphs.ends[1].contiguous()
        around = graphs.nodes.index_select(0, first) + graphs.nodes.index_select(0, second)
        links = self.link_net(torch.cat([graphs.links, quality, around], dim=1)).relu().float()

        sites = len(graphs.nodes)
        total = links.new_zeros(sites, self.width)
        total = total.index_add(0, first, links).index_add(0, second, links)
        ones = graphs.links.new_ones(len(first))
        count = ones.new_zeros(sites).index_add_(0, first, ones).index_add_(0, second, ones)
        top = graphs.links.new_zeros(sites, graphs.links.shape[1])
        for end in (first, second):
            top.scatter_reduce_(0, end[:, None].expand_as(graphs.links), graphs.links, "amax")
        mean = total / count.clamp_(min=1.0)[:, None]
        at_site = self.join_site(self.site_net(torch.cat([mean, top, graphs.nodes], 1)).relu())

        features, mask = observation["links"], observation["link_mask"]
        graph = graphs.slots // mask.shape[1]
        n_links = mask.sum(1, keepdim=True).clamp(min=1)
        # Features are not negative, so padding's zeros do not disturb the maximum.
        fixed = torch.cat([features.sum(1) / n_links, features.amax(1), observation["context"]], 1)

        def pooled(vectors: Tensor) -> Tensor:
            summed = vectors.new_zeros(len(mask), self.width).index_add(0, graph, vectors)
            return torch.cat([summed / n_links, fixed], dim=1)

        around_all = self.join_graph(pooled(links)).index_select(0, graph)
        competing = at_site.index_select(0, first) + at_site.index_select(0, second)
        joined = (self.join_link(links) + competing + around_all).relu().float()
        return Encoding(joined, graphs.links, graphs.slots, pooled(joined), observation)

    def forward(self, observation: dict[str, Tensor]) -> Tensor:
        """The pooled vector, (B, features_dim)."""
        return self.encode(observation).pooled
