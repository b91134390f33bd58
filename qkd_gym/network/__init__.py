"""The simulator: key pools, link disturbances, demand and the compiled transition."""

from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.faults import Fault
from qkd_gym.network.preparation import report_preparation
from qkd_gym.network.scenarios import available_scenarios, get_scenario, register_scenario
from qkd_gym.network.services import ServiceClass
from qkd_gym.network.simulator import Simulator

__all__ = [
    "Fault",
    "NetworkConfig",
    "ServiceClass",
    "Simulator",
    "available_scenarios",
    "get_scenario",
    "register_scenario",
    "report_preparation",
]
