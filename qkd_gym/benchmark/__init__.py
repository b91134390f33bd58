"""Suites of scenarios, run on paired held-out episodes, and results that can be replayed."""

from qkd_gym.benchmark.replay import validate
from qkd_gym.benchmark.runner import run_benchmark
from qkd_gym.benchmark.suites import Suite, available_suites, get_suite

__all__ = ["Suite", "available_suites", "get_suite", "run_benchmark", "validate"]
