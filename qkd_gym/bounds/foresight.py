"""The achievable reference: a policy that knows the future of its episode."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines.policy import Observation
from qkd_gym.bounds.rollout import FOLLOW
from qkd_gym.bounds.search import EpisodeSearch
from qkd_gym.errors import InvalidInput, require_integer
from qkd_gym.network.config import NetworkConfig

I64 = NDArray[np.int64]


class ForesightPolicy:
    """Plays one episode of `LinkActivation-v0` by a plan made in knowledge of its future.

    What it delivers can really be achieved, with the environment's own actions, router and release
    rule, and so is a lower bound of the best that a policy could do. It is no upper bound: see
    `clairvoyant_bound` for that.

    A plan starts as the demand-deficit rule that fits the episode best in hindsight, or as what a
    receding-horizon program on the true future does. Then, from the first interval to the last,
    every possible switch is tried in the simulator, and the one kept with which, followed by the
    rest of the plan, most is delivered. The better plan of the two starts is played.

    Args:
        config: Configuration of the environment.
        seed: The seed of ``env.reset(seed=seed)``.
        rules: Random parameters of the rule that are tried beside its defaults.
        slots: Slots of about 90 seconds that the program looks ahead; 0 leaves the program out,
            which saves most of the time.

    Attributes:
        delivered_bits: What the plan delivers.

    Raises:
        InvalidInput: On an argument outside its range.
    """

    name = "foresight"

    def __init__(
        self, config: NetworkConfig, seed: int, *, rules: int = 100, slots: int = 0
    ) -> None:
        require_integer("rules", rules, 0)
        require_integer("slots", slots, 0)
        search = EpisodeSearch(config, seed)
        weights = search.best_rule(rules, np.random.default_rng(seed))
        starts = [np.full(search.intervals, FOLLOW)]
        if slots > 0:
            starts.append(search.follow_program(slots))
        plans = [search.improve(start, weights) for start in starts]
        plan, self.delivered_bits = max(plans, key=lambda found: found[1])
        self._actions = search.actions(plan, weights)

    def predict(
        self,
        obs: Observation,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[NDArray[np.int64], Any]:
        """The planned action; ``state`` is the number of actions taken, None at the start.

        Raises:
            InvalidInput: If the observations are a batch or the episode is over.
        """
        batch = obs["links"].shape[:-2]
        if batch not in ((), (1,)):
            raise InvalidInput(f"obs is a batch of {batch[0]}, but must be of one episode.")
        fresh = state is None or (episode_start is not None and np.any(episode_start))
        taken = 0 if fresh else state
        if taken >= len(self._actions):
            raise InvalidInput("obs is after the end of the episode that was planned.")
        return np.full(batch, self._actions[taken]), taken + 1
