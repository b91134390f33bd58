"""Policies measured on seeded episodes, and compared on the same ones."""

from qkd_gym.evaluation.comparison import Comparison, compare
from qkd_gym.evaluation.episodes import evaluate
from qkd_gym.evaluation.intervals import Interval, bootstrap_interval
from qkd_gym.evaluation.report import print_comparison
from qkd_gym.evaluation.result import EvaluationResult

__all__ = [
    "Comparison",
    "EvaluationResult",
    "Interval",
    "bootstrap_interval",
    "compare",
    "evaluate",
    "print_comparison",
]
