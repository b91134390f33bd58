"""The networks' layers in compiled code, graph by graph, while a graph is in the nearest cache."""
