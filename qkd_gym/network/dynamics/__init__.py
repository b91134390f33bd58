"""One step of an episode, compiled: switching, relay, demand, disturbance, generation, reset."""
