"""Speed of environments and of training, measured in one run and as ratios."""
