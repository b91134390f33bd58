"""Graphs as one first writes them for Stable-Baselines3: what the package's networks are held to.

It has the layers of the viability network, from torch-geometric and at their widths, and decides
from the pooled graph by Stable-Baselines3's own layers. It must not share code with the package's
networks: then what is made faster there would make this faster too.
"""

from __future__ import annotations

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GATv2Conv, TransformerConv, global_mean_pool

WIDTH, HEADS, PASSES = 32, 2, 3


class OneByOne(BaseFeaturesExtractor):
    """Joins graphs as torch-geometric's documentation does, one Data object per sample, and trains
    every weight."""

    def __init__(self, observation_space: spaces.Dict) -> None:
        (context,) = observation_space["context"].shape
        super().__init__(observation_space, features_dim=2 * WIDTH + context)
        nodes, links = (observation_space[name].shape[1] for name in ("nodes", "links"))
        self.site_in, self.link_in = nn.Linear(nodes, WIDTH), nn.Linear(links, WIDTH)
        self.transformer = TransformerConv(WIDTH, WIDTH // HEADS, HEADS, edge_dim=WIDTH)
        self.attention = GATv2Conv(
            WIDTH, WIDTH // HEADS, HEADS, edge_dim=WIDTH, add_self_loops=False
        )
        self.edge_mlp = nn.Sequential(
            nn.Linear(3 * WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH)
        )

    def forward(self, observation: dict[str, Tensor]) -> Tensor:
        """Means of sites and of links, and the context, (B, features_dim)."""
        samples = []
        for i, mask in enumerate(observation["link_mask"] > 0):
            ends = observation["link_endpoints"][i][mask].long().T
            samples.append(
                Data(
                    x=observation["nodes"][i],
                    edge_index=torch.cat([ends, ends.flip(0)], dim=1),
                    edge_attr=observation["links"][i][mask].repeat(2, 1),
                )
            )
        graphs = Batch.from_data_list(samples)
        sites, links = self.site_in(graphs.x), self.link_in(graphs.edge_attr)
        for _ in range(PASSES):
            sites = (sites + self.transformer(sites, graphs.edge_index, links)).relu()
            sites = (sites + self.attention(sites, graphs.edge_index, links)).relu()
        first, second = sites[graphs.edge_index[0]], sites[graphs.edge_index[1]]
        links = self.edge_mlp(torch.cat([first + second, (first - second).abs(), links], dim=1))
        of_link = graphs.batch[graphs.edge_index[0]]
        pooled = [global_mean_pool(sites, graphs.batch), global_mean_pool(links, of_link)]
        return torch.cat([*pooled, observation["context"]], dim=1)
