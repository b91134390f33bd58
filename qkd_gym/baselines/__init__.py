"""Classical policies: how networks are operated without learning."""

from qkd_gym.baselines.policy import Policy, RulePolicy
from qkd_gym.baselines.registry import available_policies, make_policy

__all__ = ["Policy", "RulePolicy", "available_policies", "make_policy"]
