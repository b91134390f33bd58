"""Training as one command does it: recipes, options, one run from learning to its report."""
