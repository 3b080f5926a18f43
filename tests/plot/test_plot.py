"""Figures: what they show of a small recovery, their size, their files, and layers of thousands of neurons."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.problems import random_teacher
from tests.report.large_run import large_recovery

import expandcluster as ec
from expandcluster.cluster.tree import cut_again, link
from expandcluster.errors import BadInput, MissingExtra
from expandcluster.options import ClusterOptions
from expandcluster.plot import (
    alignment,
    dendrogram,
    figure,
    identifiability,
    loss_curves,
    losses,
    save,
    similarity,
    style,
    weights,
)
from expandcluster.plot.kinds import kinds_of
from expandcluster.plot.loss_figures import imitating
from expandcluster.plot.weight_figures import undetermined_weights
from expandcluster.results import LayerClusters, Recovery, Verdict
from expandcluster.symmetry_moves import permute

matplotlib = pytest.importorskip("matplotlib")
pyplot = pytest.importorskip("matplotlib.pyplot")
matplotlib.use("Agg")

TRUTH = random_teacher((3, 3, 1), "tanh", 0)


@pytest.fixture(scope="module")
def recovery(tmp_path_factory: pytest.TempPathFactory) -> Recovery:
    return ec.recover(ec.Teacher.from_network(TRUTH), activation="tanh", out=tmp_path_factory.mktemp("plot") / "run")


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    pyplot.close("all")


def _mixed(kept: int, students: int, inputs: int, seed: int = 0) -> LayerClusters:
    """Kept clusters, strays, and one cluster of short vectors that point everywhere."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(kept, inputs))
    copies = np.concatenate([centres + 1e-10 * rng.normal(size=centres.shape) for _ in range(students)])
    strays = rng.normal(size=(3, inputs))
    short = 1e-7 * rng.normal(size=(students, inputs))
    student = np.concatenate([np.repeat(np.arange(students), kept), np.arange(3), np.arange(students)])
    vectors = np.concatenate([copies, strays, short])
    return cut_again(link(vectors), vectors, student, students, ClusterOptions())


def test_dendrogram_shows_the_cut_and_the_clusters(recovery: Recovery) -> None:
    ax = dendrogram(recovery)
    layer = recovery.layers[0]
    cut = [line for line in ax.lines if np.allclose(line.get_ydata(), layer.height)]
    assert len(cut) == 1 and ax.get_yscale() == "log"
    bottom, top = ax.get_ylim()
    assert 0 < bottom < layer.height < layer.linkage[-1, 2] < top
    assert f"{len(layer.vectors)} neurons" in ax.get_xlabel()
    assert ax.get_legend().get_texts()[0].get_text() == f"kept ({len(layer.support)})"


def test_merges_of_identical_neurons_are_drawn_at_rounding() -> None:
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    layer = cut_again(link(vectors), vectors, np.array([0, 1, 0, 1]), 2, ClusterOptions())
    ax = dendrogram(_with(layer))
    lines = np.concatenate([segment for c in ax.collections for path in c.get_paths() for segment in [path.vertices]])
    assert np.isfinite(lines).all() and lines[:, 1].min() >= ax.get_ylim()[0]


def test_similarity_marks_why_neurons_were_dropped() -> None:
    layer = _mixed(4, 6, 5)
    kinds = kinds_of(layer)
    assert kinds.clusters == (4, 3, 1)
    assert (kinds.kind == 0).tolist() == (layer.labels >= 0).tolist()
    image = similarity(_with(layer)).get_images()[0].get_array()
    assert image is not None and image.shape == (len(layer.vectors), len(layer.vectors), 4)
    colors = {tuple(np.round(image[i, i, :3], 3)) for i in range(len(image))}
    expected = {tuple(np.round(matplotlib.colors.to_rgb(c), 3)) for c in style.COLORS.values()}
    assert colors == expected
    np.testing.assert_allclose(np.diagonal(image[..., 3]), 1.0, atol=1e-9)


def test_losses_are_sorted_over_the_noise_floor(recovery: Recovery) -> None:
    ax = losses(recovery)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), np.sort(recovery.losses))
    low, high = ax.get_ylim()
    assert low < recovery.noise_floor < high and low < recovery.relative_loss
    assert "without" not in ax.get_xlabel()
    some = dataclasses.replace(recovery, losses=np.array([1e-3, np.inf, np.nan, 0.0]))
    assert "2 without a finite loss" in losses(some).get_xlabel()
    assert "no student" in losses(dataclasses.replace(recovery, losses=np.zeros(0))).texts[0].get_text()


def test_loss_curves_tell_who_imitates_by_line_and_mark(recovery: Recovery) -> None:
    ax = loss_curves(recovery)
    good = imitating(recovery)
    assert ax.get_yscale() == "log" and good.sum() >= recovery.students_at_floor > 0
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert f"imitate the teacher ({good.sum()})" == labels[0] and labels[-2:] == ["good enough", "noise floor"]
    assert (f"do not ({(~good).sum()})" in labels) == (not good.all())
    low, high = ax.get_ylim()
    assert low < recovery.noise_floor < recovery.floor < high
    mixed = dataclasses.replace(
        recovery, losses=np.array([1e-29, 1e-12, 1e-3, np.inf]), pruned_losses=np.array([1e-29, 1e-28, 1e-3, np.inf]),
        curves=np.array([[[0, 1], [4, 1e-29], [np.nan] * 2], [[0, 1], [3, 1e-5], [9, 1e-12]],
                         [[0, 0.5], [7, 1e-3], [np.nan] * 2], np.full((3, 2), np.nan)]))
    ax = loss_curves(mixed)
    assert [t.get_text() for t in ax.get_legend().get_texts()][:2] == ["imitate the teacher (2)", "do not (1)"]
    assert "1 without a finite loss" in ax.get_xlabel() and ax.get_xlim()[1] > 9
    dots, crosses = ax.lines[:2]
    assert (dots.get_marker(), crosses.get_marker()) == ("o", "x")
    np.testing.assert_array_equal(dots.get_xydata(), [[4, 1e-29], [9, 1e-28]])
    np.testing.assert_array_equal(crosses.get_xydata(), [[7, 1e-3]])
    solid, drops, dashed, _ = ax.collections
    assert len(solid.get_paths()) == 2 and len(dashed.get_paths()) == 1
    assert solid.get_linestyle()[0][1] is None and dashed.get_linestyle()[0][1] is not None
    np.testing.assert_array_equal([path.vertices for path in drops.get_paths()], [[[9, 1e-12], [9, 1e-28]]])


def test_loss_curves_of_runs_that_have_none(recovery: Recovery) -> None:
    none = np.zeros((0, 0, 2))
    assert "no loss curves" in loss_curves(dataclasses.replace(recovery, curves=none)).texts[0].get_text()
    nobody = dataclasses.replace(recovery, curves=none, losses=np.zeros(0))
    assert "no student was trained" in loss_curves(nobody).texts[0].get_text()
    lost = dataclasses.replace(recovery, losses=np.full(2, np.inf), curves=np.zeros((2, 0, 2)))
    assert "no student has a finite loss" in loss_curves(lost).texts[0].get_text()


def test_thousands_of_loss_curves(tmp_path: Path) -> None:
    start = time.perf_counter()
    large = large_recovery(12, 4, 2)
    ax = loss_curves(large)
    path = save(ax, tmp_path / "curves.svg")
    assert len(large.curves) == 2000 and path.stat().st_size < 400_000 and time.perf_counter() - start < 30


def test_alignment_with_the_truth(recovery: Recovery) -> None:
    error = np.asarray(alignment(recovery, TRUTH).lines[0].get_ydata())
    assert len(error) == 3 and error.max() < 1e-8
    wider = random_teacher((3, 5, 1), "tanh", 1)
    ax = alignment(recovery, wider)
    assert len(np.asarray(ax.lines[0].get_ydata())) == 3 and len(np.asarray(ax.lines[1].get_ydata())) == 2
    with pytest.raises(BadInput, match="layer"):
        alignment(recovery, TRUTH, layer=2)


def test_alignment_of_a_second_layer(recovery: Recovery) -> None:
    deep = random_teacher((3, 4, 5, 2), "tanh", 2)
    shuffled = permute(permute(deep, 1, np.array([2, 0, 3, 1])), 2, np.arange(5)[::-1])
    found = dataclasses.replace(recovery, network=shuffled)
    error = np.asarray(alignment(found, deep, layer=2).lines[0].get_ydata())
    assert len(error) == 5 and error.max() < 1e-14
    with pytest.raises(BadInput, match="layer"):
        alignment(found, random_teacher((3, 3, 5, 2), "tanh", 2), layer=2)


def test_weights_as_matrix_and_as_images(recovery: Recovery) -> None:
    assert recovery.network is not None
    image = weights(recovery).get_images()[0]
    np.testing.assert_array_equal(image.get_array(), recovery.network.weights[0])
    low, high = image.get_clim()
    assert low == -high == -np.abs(recovery.network.weights[0]).max()
    canvas = weights(recovery, image_shape=(1, 3)).get_images()[0].get_array()
    assert canvas is not None and (~np.ma.getmaskarray(canvas)).sum() == 9
    with pytest.raises(BadInput, match="image_shape"):
        weights(recovery, image_shape=(2, 2))
    with pytest.raises(BadInput, match="layer"):
        weights(recovery, layer=3)


def test_ticks_of_a_single_output_are_whole(recovery: Recovery) -> None:
    ax = weights(recovery, layer=2)
    low, high = sorted(ax.get_ylim())
    assert [tick for tick in ax.get_yticks() if low <= tick <= high] == [0]


def _with_weights(recovery: Recovery, inputs: int, neurons: int = 2) -> Recovery:
    """Weights that are numbered from 0."""
    first = np.arange(float(neurons * inputs)).reshape(neurons, inputs)
    network = ec.Network((first, np.ones((1, neurons))), (np.zeros(neurons), np.zeros(1)), "tanh")
    return dataclasses.replace(recovery, network=network, certificate=None)


@pytest.mark.parametrize(("shape", "red"), [((2, 2, 3), [0, 3, 6, 9]), ((3, 2, 2), [0, 1, 2, 3])])
def test_colour_images_in_both_orders(recovery: Recovery, shape: tuple[int, int, int], red: list[int]) -> None:
    canvas = weights(_with_weights(recovery, 12), image_shape=shape).get_images()[0].get_array()
    assert canvas is not None and canvas.shape[2] == 4
    shown = canvas[..., 3] == 1
    assert shown.sum() == 2 * 4
    first = canvas[: shape[1] if shape[0] == 3 else shape[0], :2]
    np.testing.assert_allclose(first[..., 0].ravel(), 0.5 + np.array(red) / (2 * 23.0))
    for wrong in [(2, 3, 2), (3, 3, 3), (12,), (-3, -4)]:
        with pytest.raises(BadInput, match="image_shape"):
            weights(_with_weights(recovery, 12), image_shape=wrong)


@pytest.mark.parametrize("shape", [None, (1, 3)])
def test_undetermined_weights_are_covered(recovery: Recovery, shape: tuple[int, int] | None) -> None:
    assert recovery.certificate is not None and not undetermined_weights(recovery, 1).any()
    assert len(weights(recovery, image_shape=shape).get_images()) == 1
    bars = tuple(b.copy() for b in recovery.certificate.error_bars)
    bars[0][1, 2] = np.nan
    loose = dataclasses.replace(recovery, certificate=dataclasses.replace(
        recovery.certificate, error_bars=bars, undetermined=("W1[1,2]",)))
    ax = weights(loose, image_shape=shape)
    cover = ax.get_images()[1].get_array()
    assert cover is not None and (cover[..., 3] > 0).sum() == 1
    certain = identifiability(loose)
    ends = [np.asarray(line.get_xdata(), float)[-1] for line in certain.lines]
    assert ends == pytest.approx([100 * 11 / 12, 100.0])
    assert [t.get_text() for t in certain.get_legend().get_texts()] == ["hidden layer 1 (1 of 12 undetermined)",
                                                                        "output layer"]


def test_error_bars_of_one_recovery_are_drawn(recovery: Recovery) -> None:
    ax = identifiability(recovery)
    assert recovery.certificate is not None and ax.get_yscale() == "log"
    largest = max(float(np.asarray(line.get_ydata(), float).max()) for line in ax.lines)
    assert largest == pytest.approx(recovery.certificate.largest_error_bar)
    assert all((np.diff(np.asarray(line.get_ydata(), float)) >= 0).all() for line in ax.lines)
    with pytest.raises(BadInput, match="error bars"):
        identifiability(dataclasses.replace(recovery, certificate=None))


def test_kinds_are_told_apart_with_every_colour_blindness() -> None:
    """Machado, Oliveira, Fernandes (2009), table of full protanopia, deuteranopia and tritanopia."""
    blindness = {"none": np.eye(3), "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                                               [-0.003882, -0.048116, 1.051998]],
                 "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                            [-0.011820, 0.042940, 0.968881]],
                 "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                            [0.004733, 0.691367, 0.303900]]}
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    colours = np.array([matplotlib.colors.to_rgb(c) for c in (*style.COLORS.values(), style.GREY, "#ffffff")])
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    for name, matrix in blindness.items():
        xyz = np.clip(linear @ np.array(matrix).T, 0, 1) @ to_xyz.T / to_xyz.sum(axis=1)
        f = np.cbrt(xyz)
        lab = np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)
        apart = np.linalg.norm(lab[:, None] - lab[None], axis=2)[np.triu_indices(len(lab), 1)]
        assert apart.min() > 15, (name, apart.round(1))  # 2.3 is a difference that is just seen


def test_without_a_network_or_a_layer(recovery: Recovery) -> None:
    none = dataclasses.replace(recovery, network=None, certificate=None, layers=(), verdict=Verdict.CANNOT_IMITATE)
    with pytest.raises(BadInput, match="found no network"):
        weights(none)
    with pytest.raises(BadInput, match="layer"):
        dendrogram(none)
    one = LayerClusters(np.zeros((0, 4)), np.zeros(1, int), np.ones((1, 2)), 0.0, np.zeros(1, int), np.ones(1, int),
                        np.zeros(1))
    assert "no tree" in dendrogram(_with(one)).texts[0].get_text()
    assert similarity(_with(one)).get_images()


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
@pytest.mark.parametrize("draw", [dendrogram, similarity, losses, weights, identifiability])
def test_every_figure_in_every_format(recovery: Recovery, draw: Callable[..., object], ending: str,
                                      tmp_path: Path) -> None:
    files = []
    for name in ("one", "two"):
        _, ax = figure(columns=2, ratio=0.4)
        assert draw(recovery, ax=ax) is ax
        files.append(save(ax, tmp_path / "new" / f"{name}.{ending}").read_bytes())
    assert files[0].startswith({"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[ending])
    assert files[0] == files[1]


def test_widths_are_those_of_a_paper(recovery: Recovery) -> None:
    assert figure(columns=1)[0].get_size_inches()[0] == pytest.approx(3.3)
    assert figure(columns=2)[0].get_size_inches()[0] == pytest.approx(6.9)
    assert losses(recovery).get_figure().get_size_inches()[0] == pytest.approx(3.3)
    with pytest.raises(BadInput):
        figure(columns=3)
    with pytest.raises(BadInput, match="ending"):
        save(losses(recovery), "figure.docx")


def test_thousands_of_neurons_are_thinned(tmp_path: Path) -> None:
    recovery = _with(_mixed(60, 50, 10))
    start = time.perf_counter()
    for draw in (dendrogram, similarity):
        path = save(draw(recovery), tmp_path / f"{draw.__name__}.svg")
        assert path.stat().st_size < 400_000
    assert time.perf_counter() - start < 30


def test_below_grey_merges_the_kinds_are_seen() -> None:
    layer = _mixed(500, 6, 10)  # more clusters than merges that are drawn
    ax = dendrogram(_with(layer))
    blocks = ax.collections[0]
    tops = np.array([path.vertices[:, 1].max() for path in blocks.get_paths()])
    colours = blocks.get_facecolor()[:, :3]
    expected = {kind: matplotlib.colors.to_rgb(style.COLORS[kind]) for kind in style.KINDS}
    widths = {kind: sum(np.ptp(path.vertices[:, 0]) for path, colour, top in zip(blocks.get_paths(), colours, tops,
                                                                                  strict=True)
                        if np.allclose(colour, expected[kind]) and top <= layer.height * (1 + 1e-9))
              for kind in style.KINDS}
    assert 2400 < widths["kept"] <= 3003 and widths["too small"] < 100


def test_a_tree_that_is_a_chain(tmp_path: Path) -> None:
    vectors = np.cumsum(1.01 ** np.arange(1500))[:, None] * np.ones((1, 2))
    layer = cut_again(link(vectors), vectors, np.arange(1500) % 7, 7, ClusterOptions())
    save(dendrogram(_with(layer)), tmp_path / "chain.png", dpi=50)


def test_svg_coordinates_are_short_and_its_words_whole(tmp_path: Path) -> None:
    _, ax = figure()
    ax.plot(np.linspace(0, 1, 9), np.linspace(0, 1, 9) ** 2)
    ax.set_title("d = 0.12345678")
    svg = save(ax, tmp_path / "line.svg").read_text()
    assert "d = 0.12345678" in svg
    numbers = [n for d in re.findall(r'\sd="([^"]*)"', svg) for n in re.findall(r"\d+\.(\d+)", d)]
    assert numbers and max(map(len, numbers)) == 2


def test_missing_matplotlib_is_said(monkeypatch: pytest.MonkeyPatch, recovery: Recovery) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"expandcluster\[plot\]"):
        losses(recovery)


def test_matplotlib_is_imported_when_used_only() -> None:
    code = "import sys, expandcluster as ec; ec.plot.dendrogram; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _with(layer: LayerClusters) -> Recovery:
    return Recovery(None, Verdict.FEW_STUDENTS, 1.0, 1e-32, 1, 1.0, None, (layer,), np.ones(1), 0, {})
