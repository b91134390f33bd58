"""The graph network as a features extractor of Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from qkd_gym.features import CONTEXT_FEATURES, LINK, LINK_FEATURES, NODE_FEATURES
from qkd_gym.gnn.compiled import viability
from qkd_gym.gnn.graphs import GraphBatch
from qkd_gym.gnn.model import LinkViabilityGNN
from qkd_gym.gnn.weights import load_pretrained
from qkd_gym.jit import compiled
from qkd_gym.sb3.surroundings import Inputs, Weights, surroundings

Observation = Mapping[str, Tensor]

_STATISTICS = 2 * len(LINK_FEATURES) + len(CONTEXT_FEATURES)
# Parts of an observation that are not read any more once it is prepared.
_REPLACED = (
    "nodes", "links", "node_mask", "link_mask", "context", "request_endpoints",
    "past_endpoints", "past_sizes", "setting",
)  # fmt: skip
# What they are replaced by.
_PREPARED = ("link_inputs", "site_inputs", "graph_inputs")
# What is large, and what `GraphFeaturesExtractor.encode` reads where it lies.
LARGEST = ("link_inputs", "site_inputs", "link_endpoints")


@dataclass(frozen=True)
class Encoding:
    """What the extractor makes of a batch of B observations, padded to E links.

    Attributes:
        links: (B, E, width) one vector per link, zeros at padding.
        pooled: (B, features_dim) mean of the links' vectors, mean and maximum of their features,
            and the context.
        observation: The prepared observations, by field.
    """

    links: Tensor
    pooled: Tensor
    observation: Observation


class GraphFeaturesExtractor(BaseFeaturesExtractor):
    """Encodes links by the viability network and by what their surroundings want.

    The (pretrained) viability network embeds every link. A second, trained stage joins that
    embedding with all of the link's features, gathers them at the sites, and hands them back to
    the links, so that a link knows what competes for its modules. As a features extractor it
    returns the pooled vector, whose size does not depend on the network; policies that decide per
    link call `encode`.

    What does not change as the trained stage learns, `prepare` computes once per observation. On a
    processor both stages run in compiled code, see `qkd_gym.gnn.compiled.viability` and
    `qkd_gym.sb3.surroundings`.

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
        self._embed = viability.Embedder(self.viability)
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

    def prepare(
        self, observation: Observation, places: Observation | None = None
    ) -> dict[str, Tensor]:
        """What `encode` makes of observations before any weight that learns has a part in it.

        Args:
            observation: Tensors of B observations, of any numeric type.
            places: Memory for results by field, in one piece each and of the right shape, that is
                used where the compiled code would otherwise allocate some.

        Returns:
            The observation itself if the viability network learns too; otherwise the observation
            without what is not needed any more, and with

            - ``link_inputs`` (B, E, inputs) float32: features and embedding of a link, and the
              summed features of its sites,
            - ``site_inputs`` (B, N, inputs) float32: largest features of a site's links, and its
              own,
            - ``graph_inputs`` (B, inputs) float32: mean and largest features of the links, and the
              context,
            - ``running`` (B, E) bool: which links hold modules,
            - ``n_links`` (B,) int64 and ``link_endpoints`` (B, E, 2) int64.
        """
        return self._complete(observation, places or {}) if self.frozen else dict(observation)

    def _complete(self, observation: Observation, places: Observation) -> dict[str, Tensor]:
        prepared = {
            **observation,
            "running": observation["links"][..., LINK.active] > 0.5,
            "n_links": observation["link_mask"].sum(1).long(),
            "link_endpoints": observation["link_endpoints"].long(),
        }
        on_processor = observation["links"].device.type == "cpu"
        if self.frozen and on_processor and viability.fits(self.viability):
            inputs = self._prepare_compiled(prepared, places)
        else:
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
                inputs = self._prepare_plainly(prepared)
        prepared |= dict(zip(_PREPARED, inputs, strict=True))
        return {name: value for name, value in prepared.items() if name not in _REPLACED}

    def _prepare_compiled(
        self, observation: Observation, places: Observation
    ) -> tuple[Tensor, ...]:
        nodes, links, context, ends, n_links = (
            np.ascontiguousarray(observation[name].numpy())
            for name in ("nodes", "links", "context", "link_endpoints", "n_links")
        )
        embedding = self._embed(nodes, links, ends, n_links)
        batch, most, features = links.shape
        n_sites, at_site = nodes.shape[1:]
        shapes = (
            (batch, most, features + embedding.shape[2] + at_site),
            (batch, n_sites, features + at_site),
            (batch, 2 * features + context.shape[1]),
        )
        tensors = tuple(
            places[name] if name in places else torch.empty(shape)
            for name, shape in zip(_PREPARED, shapes, strict=True)
        )
        arrays = (tensor.numpy() for tensor in tensors)
        _assemble(nodes, links, context, ends, n_links, embedding, *arrays)
        return tensors

    def _prepare_plainly(self, observation: Observation) -> tuple[Tensor, ...]:
        nodes, links, ends = (observation[n] for n in ("nodes", "links", "link_endpoints"))
        batch, most, features = links.shape
        n_sites = nodes.shape[1]
        present = torch.arange(most, device=links.device) < observation["n_links"][:, None]
        offsets = torch.arange(batch, device=ends.device)[:, None, None] * n_sites
        # Padding joins a site of its own to itself: shapes then do not hang on how many links are
        # real, which a GPU would have to be waited for to tell.
        nowhere = batch * n_sites
        flat = (ends + offsets).masked_fill(~present[..., None], nowhere).flatten(0, 1)
        all_nodes = torch.cat([nodes.flatten(0, 1), nodes.new_zeros(1, nodes.shape[2])])
        every = torch.arange(batch * most, device=links.device)
        networks = torch.arange(nowhere + 1, device=links.device) // n_sites
        graphs = GraphBatch(all_nodes, links.flatten(0, 1), flat.T, networks, every)
        embedding = self.viability.embed(graphs).view(batch, most, -1) * present[..., None]
        around = all_nodes[flat].sum(1).view(batch, most, -1)
        # Features are not negative, so padding's zeros do not disturb the maxima.
        top = links.new_zeros(nowhere + 1, features)
        for end in (0, 1):
            index = flat[:, end, None].expand(-1, features)
            top.scatter_reduce_(0, index, links.flatten(0, 1), "amax")
        count = observation["n_links"].clamp(min=1)[:, None]
        return (
            torch.cat([links, embedding, around], dim=2),
            torch.cat([top[:nowhere].view(batch, n_sites, features), nodes], dim=2),
            torch.cat([links.sum(1) / count, links.amax(1), observation["context"]], dim=1),
        )

    def encode(self, observation: Observation) -> Encoding:
        """Encodes B padded observations, prepared or not.

        Args:
            observation: Tensors of B observations, or what `prepare` has made of them. Then
                `LARGEST` may be those of more observations, and ``rows``, (B,) int64, be the
                numbers of these among them.
        """
        if "link_inputs" not in observation:
            observation = self._complete(observation, {})
        weights = Weights(
            self.link_net.weight,
            self.link_net.bias,
            self.site_net.weight,
            self.site_net.bias,
            self.join_link.weight,
            self.join_link.bias,
            self.join_site.weight,
            self.join_graph.weight,
        )
        inputs = Inputs(
            observation["link_inputs"],
            observation["site_inputs"],
            observation["link_endpoints"],
            _rows(observation),
            observation["graph_inputs"],
            observation["n_links"],
        )
        links, mean = surroundings(inputs, weights)
        pooled = torch.cat([mean, observation["graph_inputs"]], dim=1)
        return Encoding(links, pooled, observation)

    def forward(self, observation: Observation) -> Tensor:
        """The pooled vector, (B, features_dim)."""
        return self.encode(observation).pooled


def _rows(observation: Observation) -> Tensor:
    if "rows" in observation:
        return observation["rows"]
    return torch.arange(len(observation["n_links"]), device=observation["n_links"].device)


@compiled
def _assemble(  # type: ignore[no-untyped-def]
    nodes, links, context, ends, n_links, embedding, link_inputs, site_inputs, graph_inputs
):
    """Writes what `GraphFeaturesExtractor.prepare` describes."""
    features, hidden, at_site = links.shape[2], embedding.shape[2], nodes.shape[2]
    for b in range(len(links)):
        n = n_links[b]
        site_inputs[b, :, :features] = 0.0
        site_inputs[b, :, features:] = nodes[b]
        graph_inputs[b, : 2 * features] = 0.0
        graph_inputs[b, 2 * features :] = context[b]
        for link in range(n):
            first, second = ends[b, link]
            for i in range(features):
                value = links[b, link, i]
                link_inputs[b, link, i] = value
                site_inputs[b, first, i] = max(site_inputs[b, first, i], value)
                site_inputs[b, second, i] = max(site_inputs[b, second, i], value)
                graph_inputs[b, i] += value / np.float32(n)
                graph_inputs[b, features + i] = max(graph_inputs[b, features + i], value)
            for i in range(hidden):
                link_inputs[b, link, features + i] = embedding[b, link, i]
            for i in range(at_site):
                both = nodes[b, first, i] + nodes[b, second, i]
                link_inputs[b, link, features + hidden + i] = both
        link_inputs[b, n:] = 0.0
