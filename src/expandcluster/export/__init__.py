"""Networks in files and in other libraries: ``ec.export.to_torch(network)``, ``ec.export.from_sklearn(model)``, ..."""

from expandcluster.export.convert import from_equinox, from_sklearn, from_torch, to_equinox, to_sklearn, to_torch
from expandcluster.export.network_files import load_network, save_network
from expandcluster.export.open_network import open_network

__all__ = ["from_equinox", "from_sklearn", "from_torch", "load_network", "open_network", "save_network", "to_equinox",
           "to_sklearn", "to_torch"]
