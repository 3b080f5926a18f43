"""Figures of recoveries and experiments, ready for print: one column is 3.3 inches wide, two are 6.9.

Every function takes a :class:`expandcluster.Recovery`, or the rows of an experiment, and returns the
Matplotlib Axes it drew on.
Matplotlib comes with the extra ``plot`` and is imported when a figure is first drawn.

Example:
    >>> from expandcluster.plot import dendrogram, figure, save
    >>> callable(dendrogram) and callable(figure) and callable(save)
    True
"""

from __future__ import annotations

from expandcluster.plot.experiment_figures import ablation, identifiability, loss_distributions
from expandcluster.plot.loss_figures import loss_curves
from expandcluster.plot.network_figures import alignment, losses
from expandcluster.plot.style import COLORS, ONE_COLUMN, TWO_COLUMNS, figure, save
from expandcluster.plot.tree_figures import dendrogram, similarity
from expandcluster.plot.weight_figures import weights

__all__ = [
    "COLORS", "ONE_COLUMN", "TWO_COLUMNS", "ablation", "alignment", "dendrogram", "figure", "identifiability",
    "loss_curves", "loss_distributions", "losses", "save", "similarity", "weights",
]
