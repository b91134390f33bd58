"""Direct search for the weights of scored schedules."""
