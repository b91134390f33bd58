"""``python -m qkd_gym.gnn.study``."""

from qkd_gym.gnn.study.run import main

if __name__ == "__main__":
    main()
