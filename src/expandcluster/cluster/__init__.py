"""Cluster: canonical neurons, their tree, its cuts, and one merged neuron for each cluster."""
