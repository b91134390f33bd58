"""The buffers of a batch of observations, and how their readers see them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.envs.tasks import Task
from qkd_gym.features import (
    ALARM,
    CONTEXT,
    LINK,
    NODE,
    PATH,
    REQUEST,
    SETTING,
)
from qkd_gym.network.bank import Bank
from qkd_gym.network.compiled.memory import padded, zeros
from qkd_gym.network.state import State

F32 = NDArray[np.float32]


class Observation(NamedTuple):
    """Buffers of a batch of observations; the request's part is empty if links alone are
    decided, what is known of the past interval and of the equipment unless the operator says
    which links make way, blocks unless some link makes its key in them, and alarms unless the
    scenario has faults. Fields as in
    `qkd_gym.envs.spaces.observation_space`.

    The features of sites and links are kept one after the other, each for all sites or links and
    padded to whole vectors: `readable` turns them round.
    """

    nodes: F32  # (B, F, N)
    links: F32  # (B, F, E)
    link_endpoints: NDArray[np.int64]  # (B, E, 2)
    node_mask: NDArray[np.int8]  # (B, N)
    link_mask: NDArray[np.int8]  # (B, E)
    context: F32  # (B, F)
    action_mask: NDArray[np.int8]  # (B, actions)
    request: F32  # (B, F)
    request_endpoints: NDArray[np.int64]  # (B, 2)
    paths: F32  # (B, K, F)
    path_links: NDArray[np.int64]  # (B, K, H), E = padding
    past_endpoints: NDArray[np.int64]  # (B, R, 2)
    past_sizes: F32  # (B, R)
    setting: F32  # (B, F)
    blocks: F32  # (B, E)
    alarms: F32  # (B, E, F)


def allocate(s: State, bank: Bank, task: Task) -> Observation:
    """Zeroed buffers for observations of the episodes of a state.

    Raises:
        InvalidInput: If they need too much memory.
    """
    batch, n, links = len(s.episodes), bank.n_sites, bank.link_endpoints.shape[1]
    past = s.requests.shape[1] if task.decides_releases else 0
    k, hops = bank.path_links.shape[2:] if task.decides_paths else (0, 0)
    arrays = zeros(
        f"num_envs is {batch}",
        nodes=((batch, len(NODE), padded(n)), np.float32),
        links=((batch, len(LINK), padded(links)), np.float32),
        link_endpoints=((batch, links, 2), np.int64),
        node_mask=((batch, n), np.int8),
        link_mask=((batch, links), np.int8),
        context=((batch, len(CONTEXT)), np.float32),
        action_mask=((batch, sum(task.actions(links, k))), np.int8),
        request=((batch, len(REQUEST)), np.float32),
        request_endpoints=((batch, 2), np.int64),
        paths=((batch, k, len(PATH)), np.float32),
        path_links=((batch, k, hops), np.int64),
        past_endpoints=((batch, past, 2), np.int64),
        past_sizes=((batch, past), np.float32),
        setting=((batch, len(SETTING)), np.float32),
        blocks=((batch, links if s.blocks.shape[2] else 0), np.float32),
        alarms=((batch, links if len(bank.faults) else 0, len(ALARM)), np.float32),
    )
    arrays["node_mask"][:] = 1
    arrays["path_links"][:] = links
    return Observation(**arrays)


# Fields that only environments have in which paths, or what makes way, are decided.
_REQUEST_PART = ("request", "request_endpoints", "paths", "path_links")
_SCHEDULE_PART = ("past_endpoints", "past_sizes", "setting")


def readable(buffer: Observation, task: Task) -> dict[str, NDArray[Any]]:
    """The observations as their readers know them: views, with a row per site and per link.

    Args:
        buffer: Observations as the kernel writes them.
        task: What a step decides; the request is part of the observation only if its path is,
            the past interval's and the setting only if the operator says which links make way.
            Blocks and alarms are part of it where there are any.
    """
    hidden: tuple[str, ...] = () if task.decides_paths else _REQUEST_PART
    hidden += () if task.decides_releases else _SCHEDULE_PART
    hidden += tuple(name for name in ("blocks", "alarms") if not getattr(buffer, name).shape[1])
    arrays = {name: each for name, each in buffer._asdict().items() if name not in hidden}
    for name, mask in (("nodes", buffer.node_mask), ("links", buffer.link_mask)):
        arrays[name] = arrays[name].transpose(0, 2, 1)[:, : mask.shape[1]]
    return arrays
