"""Contract checks for what others build on the package: environments, wrappers, policies
and opponents.

    check_env("qkd_gym/LinkActivation-v0", scenario="my-network.json")
    check_env(MyWrapper(gym.make("qkd_gym/Routing-v0")))
    check_policy(MyPolicy(), "qkd_gym/LinkActivation-v0", n_sites=10)
    check_opponent(MyOpponent(), n_sites=10)

Each checks what the package promises of its own, and what evaluation and training rely on. The
first promise that is broken is an AssertionError of one sentence.
"""

from qkd_gym.testing.environments import check_env
from qkd_gym.testing.opponents import check_opponent
from qkd_gym.testing.policies import check_policy

__all__ = ["check_env", "check_opponent", "check_policy"]
