"""Figures of an experiment: cells, labels, distributions, files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.experiments.example_rows import ROW, row

from expandcluster.errors import BadInput, MissingExtra
from expandcluster.experiments.figures import draw_synthetic, identifiability_figure, loss_figure
from expandcluster.experiments.rows import append_row

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

RHOS = (None, 1.0, 4.0)
ROWS = [row(inputs=d, hidden=r, seed=s, rho=rho, max_parameter_error=None if (d, s) == (2, 1) else 1e-15)
        for rho in RHOS for d, r in ((2, 2), (2, 4), (8, 4)) for s in (0, 1)]


def texts(figure: Any) -> list[str]:
    """All that is written in a figure."""
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


def test_every_rho_has_its_panels_with_the_right_cells() -> None:
    figure = identifiability_figure(ROWS).get_figure(root=True)
    assert len(figure.axes) == 2 * len(RHOS) and figure.get_size_inches()[0] == pytest.approx(6.9)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == 2 * ["width searched for", "$\\rho$ = 1", "$\\rho$ = 4"]
    for ax in figure.axes[:3]:
        assert [text.get_text() for text in ax.texts] == ["50%"] * 3
    for ax in figure.axes[3:]:
        assert [text.get_text() for text in ax.texts] == ["1/2", "1/2", "2/2"]
        assert [text.get_text() for text in ax.get_yticklabels()] == ["2", "4", "8", "16", "32"]
        assert [text.get_text() for text in ax.get_xticklabels()] == ["2", "4", "8"]
        assert len(ax.patches) == 12  # hatched: not run
    written = texts(figure)
    assert "hatched: not run" in written and "Teachers recovered to 1e-8" in written
    assert not any("nan" in text.lower() or "none" in text.lower() for text in written)


def test_one_rho_fits_one_column() -> None:
    figure = identifiability_figure([ROW]).get_figure(root=True)
    assert len(figure.axes) == 2 and figure.get_size_inches()[0] == pytest.approx(3.3)
    assert {"Students at the floor,\n$\\rho$ = 4", "Teachers recovered,\n$\\rho$ = 4"} <= set(texts(figure))
    assert loss_figure([ROW]).get_figure(root=True).get_size_inches()[0] == pytest.approx(3.3)


def test_losses_have_a_panel_for_each_teacher_size() -> None:
    figure = loss_figure(ROWS).get_figure(root=True)
    assert [ax.get_title() for ax in figure.axes] == ["$d$ = 2, $r$ = 2", "$d$ = 2, $r$ = 4", "$d$ = 8, $r$ = 2",
                                                      "$d$ = 8, $r$ = 4"]
    words = [[text.get_text() for text in ax.texts] for ax in figure.axes]
    assert words == [["50%"] * 3, ["50%"] * 3, ["not run"], ["50%"] * 3]
    limits = {ax.get_ylim() for ax in figure.axes}
    assert len(limits) == 1 and all(np.isfinite(limit) for limit in limits.pop())
    assert not any("nan" in text.lower() for text in texts(figure))


def test_files_for_each_settings_in_every_format(tmp_path: Path) -> None:
    assert draw_synthetic(tmp_path) == []
    for one in (ROW, row(settings="paper"), row(settings="paper", rho=1.0)):
        append_row(tmp_path / "rows.jsonl", one)
    files = draw_synthetic(tmp_path)
    assert sorted(files) == sorted(tmp_path / "figures" / f"{kind}-{settings}.{ending}"
                                   for kind in ("identifiability", "losses") for settings in ("default", "paper")
                                   for ending in ("png", "pdf", "svg"))
    heads = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}
    assert all(file.read_bytes().startswith(heads[file.suffix[1:]]) for file in files)
    before = [file.read_bytes() for file in files]
    assert [file.read_bytes() for file in draw_synthetic(tmp_path)] == before
    assert not any(word in file.read_text().lower() for file in files if file.suffix == ".svg"
                   for word in (">nan<", "nan%", ">none<"))


def test_a_damaged_row_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}\n")
    with pytest.raises(BadInput, match="line 1"):
        draw_synthetic(tmp_path)


def test_missing_matplotlib_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"expandcluster\[plot\]"):
        draw_synthetic(tmp_path)
