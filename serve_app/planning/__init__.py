"""How many replicas a load takes: a simulation of the graph over measured costs. Knows no Ray."""
