"""The training command as several tests call it."""

from qkd_gym.cli import main

# Episodes of 60 decisions.
NETWORK = {"scenario": "vienna", "episode_s": 3600.0}
VIENNA = ["--scenario", "vienna", "--network", "episode_s=3600", "--episodes", "2"]
SHORT = ["--env", "LinkActivation", *VIENNA, "--total-timesteps", "128"]
TINY = [*SHORT, "--workers", "1"]
SEARCH = [*VIENNA, "--workers", "1"]


def call(*arguments):
    main(["train", *arguments])
