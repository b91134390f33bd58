"""``qkd-gym train`` from a checkout: trains an agent and measures it against the baselines."""

from __future__ import annotations

import sys

from qkd_gym.cli import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
