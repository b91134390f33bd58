"""Policies measured on seeded episodes, and compared on the same ones."""

from qkd_gym.evaluation.episodes import evaluate
from qkd_gym.evaluation.report import print_comparison
from qkd_gym.evaluation.result import EvaluationResult
from qkd_gym.evaluation.statistics import Comparison, Interval, bootstrap_interval, compare

__all__ = [
    "Comparison",
    "EvaluationResult",
    "Interval",
    "bootstrap_interval",
    "compare",
    "evaluate",
    "print_comparison",
]
