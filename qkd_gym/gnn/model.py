"""The graph network that predicts which candidate links are viable."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch_geometric.nn import GATv2Conv, TransformerConv

from qkd_gym.errors import InvalidInput, require_integer
from qkd_gym.features import LINK, NODE
from qkd_gym.gnn.graphs import GraphBatch

# What bears on hidden quality, whatever the load: geometry and measurements.
SITE_INPUTS = ("x", "y", "degree", "betweenness")
LINK_INPUTS = (
    "active",
    "nominal_rate",
    "observed_rate",
    "observed_qber",
    "freshness",
    "no_key",
    "length",
    "free_space",
)
# What the model sums over the links of a site: softmax attention averages, and so would lose how
# many measurements there are, on which the precision of an estimate hangs.
SITE_SUMS = ("measured_links", "measured_share", "measured_qber")
# What it sums over all links of a network, since attention carries a measurement no more than six
# links far: how much is hidden shows in what all of them have in common.
NETWORK_SUMS = ("network_measured", "network_qber", "network_rate")
_SITE_IN = (*SITE_INPUTS, *SITE_SUMS, *NETWORK_SUMS)


class LinkViabilityGNN(nn.Module):
    """TransformerConv, then GATv2Conv, both repeated, then an edge MLP with layer norm.

    Imperfections of a site show on all its links, so what is known of one link tells about its
    neighbours: attention carries measurements across sites (Shi et al., IJCAI 2021; Brody, Alon
    and Yahav, ICLR 2022). Further passes with the same weights refine the estimates of sites by
    those of their neighbours, as message passing does in a factor graph.

    Args:
        hidden: Width of the embeddings, a multiple of ``heads``.
        heads: Attention heads.
        passes: How often the two convolutions are applied.
    """

    def __init__(self, hidden: int = 32, heads: int = 2, passes: int = 3) -> None:
        super().__init__()
        require_integer("hidden", hidden, 1, 1024)
        require_integer("heads", heads, 1, hidden)
        require_integer("passes", passes, 1, 64)
        if hidden % heads:
            raise InvalidInput(f"hidden is {hidden}, but must be a multiple of heads, {heads}.")
        self.hidden, self.heads, self.passes = hidden, heads, passes
        self.site_columns = [getattr(NODE, name) for name in SITE_INPUTS]
        self.link_columns = [getattr(LINK, name) for name in LINK_INPUTS]
        self.site_in = nn.Linear(len(_SITE_IN), hidden)
        self.link_in = nn.Sequential(
            nn.Linear(len(LINK_INPUTS), hidden), nn.ReLU(), nn.Linear(hidden, hidden)
        )
        self.transformer = TransformerConv(hidden, hidden // heads, heads, edge_dim=hidden)
        self.transformer_norm = nn.LayerNorm(hidden)
        # Self loops would need link features that no site has.
        self.attention = GATv2Conv(
            hidden, hidden // heads, heads, edge_dim=hidden, add_self_loops=False
        )
        self.attention_norm = nn.LayerNorm(hidden)
        self.edge_mlp = nn.Sequential(
            nn.Linear(3 * hidden, hidden),
            nn.LayerNorm(hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.LayerNorm(hidden),
        )
        self.decoder = nn.Linear(hidden, 2)

    def card(self) -> dict[str, Any]:
        """What must agree for weights to fit."""
        return {
            "hidden": self.hidden,
            "heads": self.heads,
            "passes": self.passes,
            "site_inputs": list(_SITE_IN),
            "link_inputs": list(LINK_INPUTS),
        }

    def embed(self, graphs: GraphBatch) -> Tensor:
        """One embedding per link, (L, hidden), the same whichever end is named first."""
        links = self.link_in(graphs.links[:, self.link_columns])
        return self.embed_pairs(self.embed_sites(graphs, links), graphs.ends, links)

    def embed_sites(self, graphs: GraphBatch, links: Tensor) -> Tensor:
        """One embedding per site, (sites, hidden), from encoded links (L, hidden)."""
        known = _measurements(graphs)
        sums = [site_sums(graphs, known), network_sums(graphs, known)]
        sites = self.site_in(torch.cat([graphs.nodes[:, self.site_columns], *sums], dim=1))
        # Both directions of every link.
        edges = torch.cat([graphs.ends, graphs.ends.flip(0)], dim=1)
        features = torch.cat([links, links])
        for _ in range(self.passes):
            sites = self.transformer_norm(sites + self.transformer(sites, edges, features)).relu()
            sites = self.attention_norm(sites + self.attention(sites, edges, features))
        return sites

    def embed_pairs(self, sites: Tensor, ends: Tensor, links: Tensor) -> Tensor:
        """One embedding, (pairs, hidden), per pair of sites ``ends`` (2, pairs)."""
        first, second = sites[ends[0]], sites[ends[1]]
        return self.edge_mlp(torch.cat([first + second, (first - second).abs(), links], dim=1))

    def forward(self, graphs: GraphBatch) -> Tensor:
        """Logit that each link is viable, (L,)."""
        return self.decode(self.embed(graphs))[0]

    def decode(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Logit of viability, and logit of the expected key rate as a share of nominal, both (L,).

        The second is `predict_rate_share` before the sigmoid.
        """
        return self.decoder(embedding.relu()).unbind(1)

    def predict_rate_share(self, graphs: GraphBatch) -> Tensor:
        """Expected key rate over the horizon as a share of nominal, (L,)."""
        return self.decode(self.embed(graphs))[1].sigmoid()


class Measurements(NamedTuple):
    """What is known of every link, each (L,); zeros where nothing was measured.

    Attributes:
        measured: One if it was measured.
        qber: QBER that was measured, in thresholds.
        rate: Key rate that was measured, over nominal.
    """

    measured: Tensor
    qber: Tensor
    rate: Tensor


def site_sums(graphs: GraphBatch, known: Measurements) -> Tensor:
    """What has been measured on the links of each site, (sites, 3), see `SITE_SUMS`.

    Number of measured links / 4, their share of the site's links, and their summed QBER (in
    thresholds) over their number plus one, an average shrunk towards zero.
    """
    rows = torch.stack([torch.ones_like(known.measured), known.measured, known.qber], dim=1)
    total = rows.new_zeros(len(graphs.nodes), 3)
    total = total.index_add(0, graphs.ends[0], rows).index_add(0, graphs.ends[1], rows)
    links, seen, qber = total.unbind(1)
    return torch.stack([seen / 4.0, seen / links.clamp(min=1.0), qber / (seen + 1.0)], dim=1)


def network_sums(graphs: GraphBatch, known: Measurements) -> Tensor:
    """What has been measured on all links of each site's network, (sites, 3), see `NETWORK_SUMS`.

    log1p of the number of measured links / 4, and their summed QBER (in thresholds) and key rate
    (over nominal) over their number plus one.
    """
    rows = torch.stack(known, dim=1)
    # As many rows as sites: for the number of networks, a GPU would have to be waited for.
    total = rows.new_zeros(len(graphs.nodes), 3)
    total = total.index_add(0, graphs.networks[graphs.ends[0]], rows)
    seen, qber, rate = total[graphs.networks].unbind(1)
    return torch.stack([seen.log1p() / 4.0, qber / (seen + 1.0), rate / (seen + 1.0)], dim=1)


def _measurements(graphs: GraphBatch) -> Measurements:
    measured = (graphs.links[:, LINK.freshness] > 0.0).to(graphs.links.dtype)
    return Measurements(
        measured=measured,
        qber=measured * graphs.links[:, LINK.observed_qber],
        rate=measured * graphs.links[:, LINK.observed_rate],
    )
