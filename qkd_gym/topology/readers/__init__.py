"""Files that others write: a module per format, each ending in a graph of networkx.

What a graph says in its own words is told in those of the package by `qkd_gym.topology.foreign`.
"""
