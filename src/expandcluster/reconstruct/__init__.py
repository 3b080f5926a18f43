"""Reconstruct: one network from the clusters, layer by layer."""
