"""A run as one HTML page: an episode beside the best baseline's, learning curve and comparison."""

from qkd_gym.report.page import report_page
from qkd_gym.report.run import Run, read_run

__all__ = ["Run", "read_run", "report_page"]
