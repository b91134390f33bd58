"""``python -m qkd_gym``: benchmark, tune, validate, leaderboard."""

from qkd_gym.cli import main

if __name__ == "__main__":
    main()
