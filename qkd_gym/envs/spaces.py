"""Observation and action spaces of the environments."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces

from qkd_gym.envs.observation import Observation, readable
from qkd_gym.envs.tasks import Task
from qkd_gym.features import FEATURE_LIMIT


def observation_space(buffers: Observation, task: Task) -> spaces.Dict:
    """The space of one observation, for N sites, E links, K paths of at most H hops, R requests.

    ======================  ============================  =======  ===============================
    key                     shape                         dtype    meaning
    ======================  ============================  =======  ===============================
    ``nodes``               (N, len(NODE_FEATURES))       float32  sites, see `qkd_gym.features`
    ``links``               (E, len(LINK_FEATURES))       float32  candidate links, zero padded
    ``link_endpoints``      (E, 2)                        int64    sites of each link
    ``node_mask``           (N,)                          int8     1 for a site, 0 for padding
    ``link_mask``           (E,)                          int8     1 for a link, 0 for padding
    ``context``             (len(CONTEXT_FEATURES),)      float32  the network as a whole
    ``action_mask``         (actions,)                    int8     1 for a legal action
    ``request``             (len(REQUEST_FEATURES),)      float32  the waiting request
    ``request_endpoints``   (2,)                          int64    its two sites
    ``paths``               (K, len(PATH_FEATURES))       float32  its candidate paths
    ``path_links``          (K, H)                        int64    their links, padded with E
    ``past_endpoints``      (R, 2)                        int64    sites of past requests
    ``past_sizes``          (R,)                          float32  log1p(bits / mean), 0 for padding
    ``setting``             (len(SETTING_FEATURES),)      float32  what is known beforehand
    ``blocks``              (E,)                          float32  how full each link's block is
    ``alarms``              (E, len(ALARM_FEATURES))      float32  known faults of each link
    ======================  ============================  =======  ===============================

    Past requests are those of the interval that has passed; they and the setting are part of
    `LinkScheduling` alone. Blocks, from 0 to 1, are part of the observation only where some link's
    preset has a ``block_size``, alarms only of scenarios with `NetworkConfig.faults`.
    ``nodes`` and ``links`` are views of arrays that keep a feature of all sites or links together.
    """
    n, links = buffers.node_mask.shape[1], buffers.link_mask.shape[1]
    ends = ("link_endpoints", "request_endpoints", "past_endpoints")
    highest = dict.fromkeys(ends, n - 1) | {"path_links": links}
    members: dict[str, spaces.Space] = {}
    for name, array in readable(buffers, task).items():
        shape = array.shape[1:]
        if name.endswith("_mask"):
            members[name] = spaces.MultiBinary(shape[0])
        elif name in highest:
            members[name] = spaces.Box(0, highest[name], shape, np.int64)
        else:
            members[name] = spaces.Box(-FEATURE_LIMIT, FEATURE_LIMIT, shape, np.float32)
    return spaces.Dict(members)


def action_space(buffers: Observation, task: Task) -> spaces.Discrete | spaces.MultiDiscrete:
    """``Discrete(E + 1)``, ``Discrete(K + 1)`` or ``MultiDiscrete([K + 1, E + 1])``.

    The last link action holds; the last path action refuses the request.
    """
    choices = task.actions(buffers.link_mask.shape[1], buffers.paths.shape[1])
    return spaces.Discrete(choices[0]) if len(choices) == 1 else spaces.MultiDiscrete(list(choices))
