"""Padded observations as flat graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from qkd_gym.envs.wrappers import as_graph

# Parts of an observation that make up its graph.
GRAPH_KEYS = ("nodes", "links", "link_endpoints", "link_mask")


class GraphBatch(NamedTuple):
    """B graphs of N sites as one graph of B * N sites and L real links, without padding.

    Attributes:
        nodes: (B * N, features) site features.
        links: (L, features) link features.
        ends: (2, L) sites of each link.
        slots: (L,) position of each link in the flattened padded array, b * E + e.
    """

    nodes: Tensor
    links: Tensor
    ends: Tensor
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
        slots=slots,
    )


def join_graphs(
    nodes: Sequence[NDArray[np.float32]],
    links: Sequence[NDArray[np.float32]],
    ends: Sequence[NDArray[np.int64]],
) -> GraphBatch:
    """Several graphs as one without links between them.

    Args:
        nodes: Site features of each graph, (n, features).
        links: Link features of each graph, (E, features).
        ends: Sites of each graph's links, (E, 2).
    """
    joined = join_pairs(ends, nodes)
    return GraphBatch(
        nodes=torch.as_tensor(np.concatenate(nodes)),
        links=torch.as_tensor(np.concatenate(links)),
        ends=joined,
        slots=torch.arange(joined.shape[1]),
    )


def join_pairs(pairs: Sequence[NDArray[np.int64]], nodes: Sequence[NDArray[np.float32]]) -> Tensor:
    """Pairs of sites of several graphs with the sites' numbers in the joined graph.

    Args:
        pairs: Pairs of each graph, (P, 2).
        nodes: Site features of each graph, (n, features).

    Returns:
        (2, P over all graphs) int64.
    """
    first = np.cumsum([0] + [len(graph) for graph in nodes[:-1]])
    shifted = [pair + site for pair, site in zip(pairs, first, strict=True)]
    return torch.as_tensor(np.concatenate(shifted).T.copy())


def to_pyg(observation: Mapping[str, NDArray[Any]]) -> Data:
    """One observation as a torch-geometric graph.

    Returns:
        ``x`` (n, features), ``edge_index`` (2, 2 e) with every link in both directions, and
        ``edge_attr`` (2 e, features); the second e edges are the first reversed.
    """
    graph = as_graph(dict(observation))
    links = np.asarray(graph.edge_links).T
    return Data(
        x=torch.as_tensor(graph.nodes),
        edge_index=torch.as_tensor(np.concatenate([links, links[::-1]], axis=1).copy()),
        edge_attr=torch.as_tensor(np.tile(np.asarray(graph.edges), (2, 1))),
    )


class PyGObservation(gym.Wrapper[Data, Any, dict[str, NDArray[Any]], Any]):
    """Gives observations as torch-geometric graphs; ``info`` still has the action mask.

    The observation space stays that of the padded dictionary, since gymnasium has none for such
    graphs.
    """

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Data, dict[str, Any]]:
        """See `gymnasium.Env.reset`."""
        observation, info = self.env.reset(seed=seed, options=options)
        return to_pyg(observation), info

    def step(self, action: Any) -> tuple[Data, Any, bool, bool, dict[str, Any]]:
        """See `gymnasium.Env.step`."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return to_pyg(observation), reward, terminated, truncated, info
