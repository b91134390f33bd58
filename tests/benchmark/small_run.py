"""A benchmark that takes seconds."""

from qkd_gym.benchmark import run_benchmark

POLICIES = ["static-plan", "max-weight", "demand-deficit"]


def small_run(out, policies=tuple(POLICIES), **options):
    settings = {"episodes": 6, "scenarios": ["metro-10"], "workers": 1} | options
    return run_benchmark("sizes", out, policies, **settings)
