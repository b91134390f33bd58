"""Records a rule's episodes as a Minari dataset, reads them back and imitates the rule offline.

The dataset has observations, with their masks, actions and rewards; ``demand-deficit`` plays.
Run it with ``python examples/minari_dataset.py``, with the extra ``examples``; it writes below
``MINARI_DATASETS_PATH``, or else ``~/.minari/datasets``. Tested with minari 0.5.4, torch 2.13.0,
gymnasium 1.4.0.
"""

from __future__ import annotations

import gymnasium as gym
import minari
import numpy as np
import torch
from torch import nn

import qkd_gym  # noqa: F401  (registers the environments)
from qkd_gym.baselines import make_policy
from qkd_gym.features import LINK_FEATURES

ENV_ID, DATASET = "qkd_gym/LinkActivation-v0", "qkd-gym/link-activation/demand-deficit-v0"


def record(episodes, name="demand-deficit", dataset=DATASET, seed=0, **scenario):
    """Plays a baseline, keeps its episodes under the dataset's name and returns them."""
    env = minari.DataCollector(gym.make(ENV_ID, **scenario))
    rule = make_policy(name, scenario=scenario.get("scenario"))
    for episode in range(episodes):
        observation, _ = env.reset(seed=seed + episode)
        state, over = None, False
        while not over:
            action, state = rule.predict(observation, state)
            observation, _, terminated, truncated, _ = env.step(int(action))
            over = terminated or truncated
    return env.create_dataset(dataset, algorithm_name=name, description="Episodes of a rule.")


class Imitator(nn.Module):
    """A logit per link from its features, and a constant one to hold."""

    def __init__(self, width=32):
        super().__init__()
        self.link = nn.Sequential(
            nn.Linear(len(LINK_FEATURES), width), nn.ReLU(), nn.Linear(width, 1)
        )
        self.hold = nn.Parameter(torch.zeros(1))

    def forward(self, links, mask):
        """Logits of (B, E + 1) actions, the illegal ones without any chance."""
        scores = self.link(links)[..., 0]
        logits = torch.cat([scores, self.hold.expand(len(links), 1)], dim=1)
        return logits.masked_fill(~mask, -1e9)


def decisions(dataset):
    """Links, masks and actions of all decisions of a dataset."""
    found = {"links": [], "action_mask": [], "actions": []}
    for episode in dataset.iterate_episodes():
        for key in ("links", "action_mask"):
            found[key].append(episode.observations[key][:-1])  # the last one has no action
        found["actions"].append(episode.actions)
    links, mask, actions = (torch.as_tensor(np.concatenate(each)) for each in found.values())
    return links.float(), mask.bool(), actions.long()


def imitate(dataset, epochs=30, seed=0):
    """Fits an `Imitator`; returns it and its loss after every epoch."""
    torch.manual_seed(seed)
    links, mask, actions = decisions(dataset)
    model, losses = Imitator(), []
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(epochs):
        for batch in torch.randperm(len(actions)).split(64):
            loss = nn.functional.cross_entropy(model(links[batch], mask[batch]), actions[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            losses.append(nn.functional.cross_entropy(model(links, mask), actions).item())
    return model, losses


if __name__ == "__main__":
    if DATASET not in minari.list_local_datasets():
        record(10, scenario="metro", n_sites=10)
    _, fit = imitate(minari.load_dataset(DATASET))
    print(f"cross entropy fell from {fit[0]:.3f} to {fit[-1]:.3f}")
