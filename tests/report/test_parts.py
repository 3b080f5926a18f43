"""Parts of the report: checks, what is undetermined, images, candidates, thousands of neurons, unseen characters."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import numpy as np
import pytest
from tests.problems import random_teacher
from tests.report.large_run import ABOUT, PROBE, large_recovery

from expandcluster.certify import judge
from expandcluster.errors import BadInput
from expandcluster.expand.expand import Students
from expandcluster.queries.probe import Probe
from expandcluster.read_run import read_probe
from expandcluster.report.html import text
from expandcluster.report.undetermined import undetermined_section
from expandcluster.report.verdict import checks
from expandcluster.report.weights import image_shapes, weight_figures
from expandcluster.report.write import report_page
from expandcluster.results import Certificate, Explanation, Recovery, Verdict
from expandcluster.storage import pack, write_arrays

pytest.importorskip("matplotlib")

NETWORK = random_teacher((4, 3, 2), "tanh", 0)
BARS = tuple(np.full(a.shape, 1e-15) for pair in zip(NETWORK.weights, NETWORK.biases, strict=True) for a in pair)
GOOD = Certificate(1e-28, 1e-32, BARS, 1e-15, (), 4, 8)
STUDENTS = Students((NETWORK,), np.array([1e-30]), 8, np.full(8, 1e-30), 0, 8)
NOISY = Probe(1e-3, 1e-6, 1e-6, False, changing=True)


def recovered(certificate: Certificate | None, verdict: Verdict = Verdict.EXACT, at_floor: int = 8) -> Recovery:
    return Recovery(NETWORK if certificate else None, verdict, certificate.relative_loss if certificate else 1e-3,
                    1e-32, 100, 1.0, certificate, (), np.full(8, 1e-3), 0, {"expand": 1.0},
                    students_at_floor=at_floor)


@pytest.mark.parametrize("enough", [1, 4])
@pytest.mark.parametrize("probe", [PROBE, NOISY, Probe(1e-8, 1e-16, 1e-14, True)])
@pytest.mark.parametrize("changes", [
    {}, {"relative_loss": 1e-3}, {"relative_loss": np.nan}, {"undetermined": ("b1[0]",)}, {"support": 2},
    {"support": 0}, {"largest_error_bar": 1e-5}, {"largest_error_bar": 0.1},
    {"relative_loss": 1e-12, "explained": 1e-12}, {"support": 1, "undetermined": ("b1[0]",)},
])
def test_checks_pass_where_and_only_where_the_verdict_is_exact(changes: dict, probe: Probe, enough: int) -> None:
    certificate = dataclasses.replace(GOOD, **changes)
    verdict = judge(certificate, STUDENTS, probe, enough=enough)
    found = checks(recovered(certificate), probe, enough)
    assert all(check.passed for check in found) == (verdict is Verdict.EXACT)
    first = next((place for place, check in enumerate(found) if not check.passed), None)
    decided_by = {Verdict.EXACT: [None], Verdict.TOO_FEW_QUERIES: [0], Verdict.UNDETERMINED: [1],
                  Verdict.FEW_STUDENTS: [2], Verdict.IMPRECISE: [3, 4]}
    assert first in decided_by[verdict]


def test_checks_without_a_network() -> None:
    imitates, agree = checks(recovered(None, Verdict.CANNOT_IMITATE, 0), PROBE, 4)
    assert not imitates.passed and "1.0e-03" in imitates.found and agree.found == "not looked at"
    imitates, agree = checks(recovered(None, Verdict.TOO_FEW_QUERIES, 3), PROBE, 4)
    assert imitates.passed and not agree.passed
    none = dataclasses.replace(recovered(None, at_floor=0), losses=np.zeros(0), relative_loss=np.inf)
    assert checks(none, PROBE, 4)[0].found == "no student was trained"
    assert "No student was trained." in report_page(none, ABOUT, PROBE)


def test_what_is_undetermined_is_grouped_and_explained() -> None:
    bars = [b.copy() for b in BARS]
    bars[0][:, 2] = bars[0][1] = bars[1][1] = np.nan  # input 2 and neuron 1
    bars[2][:, 1] = bars[3][0] = np.nan  # what neuron 1 is worth, and one bias
    names = tuple(f"W1[{i},{j}]" for i, j in np.argwhere(np.isnan(bars[0])))
    section = undetermined_section(recovered(dataclasses.replace(GOOD, error_bars=tuple(bars), undetermined=names)))
    for words in ("inputs 2<", "everything into neurons 1 of layer 1", "from neurons of layer 1 1<", "never vary",
                  "single parameters into the outputs", "saturated", "W1[1,2]", "the sign of a neuron"):
        assert words in section, words
    nothing = undetermined_section(recovered(GOOD))
    assert "Nothing" in nothing and "the order of the neurons" in nothing


def test_shapes_of_images() -> None:
    rng = np.random.default_rng(0)
    smooth = np.cumsum(np.cumsum(rng.normal(size=(5, 32, 32, 3)), axis=1), axis=2)
    together, apart = (32, 32, 3), (3, 32, 32)
    assert image_shapes(smooth.reshape(5, -1)) == [together, apart]
    assert image_shapes(np.moveaxis(smooth, 3, 1).reshape(5, -1)) == [apart, together]
    assert image_shapes(np.ones((1, 784))) == [(28, 28)] and image_shapes(np.ones((1, 3 * 9))) == []


def test_colour_images_are_one_of_the_ways_to_show_weights() -> None:
    network = random_teacher((3 * 16, 3, 2), "tanh", 0)
    part = weight_figures(dataclasses.replace(recovered(GOOD), network=network, certificate=None), network, 1)
    for name in ("weights-1", "images-1", "images-other-1"):
        assert f'id="figure-{name}"' in part
    assert part.count("data-show=") == 3 and 'data-first="0"' in part  # 4 by 4 are few to be an image
    assert "pixel by pixel" in part and "one colour after the other" in part


def test_what_was_tried_is_shown() -> None:
    tried = (Explanation("tanh", 1, 1e-31, 4, (3,)), Explanation("<b>", 1, 1e-30, 3, (3,)),
             Explanation("relu", 1, 1e-3, 0, None))
    page = report_page(dataclasses.replace(recovered(GOOD), tried=tried), ABOUT, PROBE)
    assert "Activation and depth" in page and "equally well" in page and "&lt;b&gt;, 1 hidden layer" in page
    assert page.count("1.0e-03") > 0 and "<b>" not in page


@pytest.mark.parametrize(("hidden", "students", "dropped"), [(1200, 8, 400), (3000, 1, 0)])
def test_thousands_of_neurons_are_written_in_seconds(hidden: int, students: int, dropped: int) -> None:
    recovery = large_recovery(hidden, students, dropped)
    start = time.process_time()
    page = report_page(recovery, ABOUT, PROBE)
    assert time.process_time() - start < 20  # 2 to 3 seconds of one core
    assert len(page) < 2_500_000
    assert f"neuron {hidden - 1}<" in page and "The 20 least certain" in page


def test_characters_that_cannot_be_seen_are_shown() -> None:
    assert text("a\x1b[31m\u202egnp.exe\x00\ud800") == "a\\x1b[31m\\u202egnp.exe\\x00\\ud800"
    hidden = dataclasses.replace(ABOUT, teacher="\ud800\u202e.onnx", machine="\x00")
    page = report_page(recovered(GOOD), hidden, PROBE)
    assert "Recovery of \\ud800\\u202e.onnx" in page
    page.encode("utf-8")


def test_precision_is_read_or_refused(tmp_path: Path) -> None:
    arrays: dict[str, np.ndarray] = {}
    (tmp_path / "stages").mkdir()
    with pytest.raises(BadInput, match="probe"):
        read_probe(tmp_path)
    path = tmp_path / "stages" / "probe.safetensors"
    write_arrays(path, arrays, {"value": json.dumps(pack(NOISY, arrays)), "seconds": "1.0", "answers": "0"})
    assert read_probe(tmp_path) == NOISY
    write_arrays(path, {}, {"value": "1", "seconds": "1.0", "answers": "0"})
    with pytest.raises(BadInput, match="holds a int"):
        read_probe(tmp_path)
