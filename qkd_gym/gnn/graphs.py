"""Padded observations as flat graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from qkd_gym.envs.wrappers import beside_a_graph

# Parts of an observation that make up its graph.
GRAPH_KEYS = ("nodes", "links", "link_endpoints", "link_mask")


@dataclass(frozen=True)
class FeatureGraph:
    """One network as an operator sees it.

    Attributes:
        nodes: (n, features) float32, columns as in `qkd_gym.features.NODE`.
        links: (E, features) float32, columns as in `qkd_gym.features.LINK`.
        ends: (E, 2) int64, sites of each link.
    """

    nodes: NDArray[np.float32]
    links: NDArray[np.float32]
    ends: NDArray[np.int64]


class GraphBatch(NamedTuple):
    """B graphs of N sites as one graph of B * N sites and L real links, without padding.

    Attributes:
        nodes: (B * N, features) site features.
        links: (L, features) link features.
        ends: (2, L) sites of each link.
        networks: (B * N,) number of the graph that each site is of.
        slots: (L,) position of each link in the flattened padded array, b * E + e.
    """

    nodes: Tensor
    links: Tensor
    ends: Tensor
    networks: Tensor
    slots: Tensor


def batch_graphs(observation: Mapping[str, Tensor]) -> GraphBatch:
    """Joins a batch of padded observations by node offsets.

    Args:
        observation: Tensors ``nodes`` (B, N, F), ``links`` (B, E, F), ``link_endpoints``
            (B, E, 2) and ``link_mask`` (B, E), of any numeric type.
    """
    nodes, links = observation["nodes"], observation["links"]
    batch, n_sites, _ = nodes.shape
    offsets = torch.arange(batch, device=nodes.device)[:, None, None] * n_sites
    ends = (observation["link_endpoints"].long() + offsets).flatten(0, 1)
    slots = observation["link_mask"].flatten().nonzero()[:, 0]
    return GraphBatch(
        nodes=nodes.flatten(0, 1),
        links=links.flatten(0, 1).index_select(0, slots),
        ends=ends.index_select(0, slots).T,
        networks=torch.arange(batch, device=nodes.device).repeat_interleave(n_sites),
        slots=slots,
    )


def join_graphs(graphs: Sequence[FeatureGraph]) -> GraphBatch:
    """Several graphs as one without links between them."""
    ends = join_pairs([graph.ends for graph in graphs], graphs)
    sites = torch.tensor([len(graph.nodes) for graph in graphs])
    return GraphBatch(
        nodes=torch.as_tensor(np.concatenate([graph.nodes for graph in graphs])),
        links=torch.as_tensor(np.concatenate([graph.links for graph in graphs])),
        ends=ends,
        networks=torch.arange(len(graphs)).repeat_interleave(sites),
        slots=torch.arange(ends.shape[1]),
    )


def join_pairs(pairs: Sequence[NDArray[np.int64]], graphs: Sequence[FeatureGraph]) -> Tensor:
    """Pairs of sites, (P, 2) per graph, with their numbers in the joined graph, (2, all) int64."""
    first = np.cumsum([0] + [len(graph.nodes) for graph in graphs[:-1]])
    shifted = [pair + site for pair, site in zip(pairs, first, strict=True)]
    return torch.as_tensor(np.concatenate(shifted).T.copy())


def to_pyg(observation: Mapping[str, NDArray[Any]]) -> Data:
    """One observation as a torch-geometric graph.

    Returns:
        ``x`` (n, features), ``edge_index`` (2, 2 e) with every link in both directions, and
        ``edge_attr`` (2 e, features); the second e edges are the first reversed. All other fields,
        such as ``context``, ``action_mask``, and where paths are decided ``request`` and ``paths``,
        keep their names and have a leading axis of one, so that a batch of graphs has a row of
        each. Sites and links in ``request_endpoints`` and ``path_links`` are counted within their
        own graph, also in a batch.
    """
    fields = beside_a_graph(dict(observation))
    graph = fields.pop("graph")
    links = np.asarray(graph.edge_links).T
    return Data(
        x=torch.as_tensor(graph.nodes),
        edge_index=torch.as_tensor(np.concatenate([links, links[::-1]], axis=1).copy()),
        edge_attr=torch.as_tensor(np.tile(np.asarray(graph.edges), (2, 1))),
        **{name: torch.as_tensor(each)[None] for name, each in fields.items()},
    )


class PyGObservation(gym.ObservationWrapper[Data, Any, dict[str, NDArray[Any]]]):
    """Gives observations as torch-geometric graphs, with all that is no part of a graph beside it.

    The observation space stays that of the padded dictionary, since gymnasium has none for such
    graphs.
    """

    def observation(self, observation: dict[str, NDArray[Any]]) -> Data:
        """See `to_pyg`."""
        return to_pyg(observation)
