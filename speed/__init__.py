"""Speed of the package, measured in one run and as ratios to Gymnasium's CartPole."""
