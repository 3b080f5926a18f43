"""Networks in files and in other libraries."""

from expandcluster.export.open_network import open_network
from expandcluster.export.safetensors_file import load_network, save_network

__all__ = ["load_network", "open_network", "save_network"]
