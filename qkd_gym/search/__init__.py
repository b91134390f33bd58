"""Direct search for the weights of scorers of links and of paths."""
