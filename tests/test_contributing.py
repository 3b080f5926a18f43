"""The templates of CONTRIBUTING.md run as they stand, against the contracts of what the package brings."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tests import test_activations
from tests.expand import test_trainers
from tests.queries import test_samplers
from tests.teachers import test_teachers

import expandcluster as ec
from expandcluster import activations
from expandcluster.expand.trainers import trainer_of

PAGE = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()
TEMPLATES = dict(re.findall(r"^## (?:An|A) (\w+)\n.*?^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))


def load(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, module: str = "template") -> Any:
    file = folder / f"{name}.py"
    file.write_text(TEMPLATES[name])
    spec = importlib.util.spec_from_file_location(module, file)
    assert spec and spec.loader
    template = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, module, template)
    spec.loader.exec_module(template)
    return template


def contract(module: ModuleType, *parameters: str) -> list[Any]:
    """The tests of a module that take these parameters first."""
    return [test for name, test in vars(module).items() if name.startswith("test_")
            and tuple(inspect.signature(test).parameters)[: len(parameters)] == parameters]


def test_there_are_four_of_less_than_sixty_lines() -> None:
    assert list(TEMPLATES) == ["activation", "trainer", "teacher", "sampler"]
    assert all(len(code.splitlines()) < 60 for code in TEMPLATES.values())


def test_activation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template = load("activation", tmp_path, monkeypatch)
    (name,) = template.ENTRY
    for table, entry in ((activations._PARAMETER_FREE, template.ENTRY), (test_activations.TABLE, template.SYMMETRY),
                         (test_activations.FORMULAS, template.FORMULA)):
        monkeypatch.setitem(table, name, entry[name])
    test_activations.test_the_table_covers_every_listed_activation()
    test_activations.test_listed_symmetries(name)
    test_activations.test_values_against_independent_formulas(name)
    test_activations.test_slope_against_central_differences(name)
    assert ec.get_activation(name) != ec.get_activation("tanh")


@pytest.mark.parametrize("test", contract(test_trainers, "train", "options"), ids=lambda t: t.__name__)
def test_trainer(test: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template = load("trainer", tmp_path, monkeypatch, "expandcluster.expand.rprop")
    options = template.RpropOptions(steps=200)
    assert trainer_of(options) is template.rprop
    more = [{"activation": a} for a in ("g", "relu")] if "activation" in inspect.signature(test).parameters else [{}]
    for arguments in more:
        test(template.rprop, options, **arguments)


def test_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template = load("teacher", tmp_path, monkeypatch)

    def one(row: np.ndarray) -> np.ndarray:
        return test_teachers.NETWORK(row[None])[0]

    def case(kind: str, folder: Path) -> Any:
        return template.RowTeacher(one, 3), 3, 2, np.float64, test_teachers.NETWORK, 1e-13

    monkeypatch.setattr(test_teachers, "_case", case)
    test_teachers.test_contract("one row", tmp_path)
    test_teachers.test_fingerprints_and_names_are_the_same_every_time("one row", tmp_path)
    with pytest.raises(ec.BadInput, match="no array of numbers"):
        template.RowTeacher(lambda row: "cat" if row.any() else 0.0, 3).ask(np.ones((2, 3)))


@pytest.mark.parametrize("test", contract(test_samplers, "make", "domain"), ids=lambda t: t.__name__)
@pytest.mark.parametrize("where", test_samplers.DOMAINS)
def test_sampler(test: Any, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template = load("sampler", tmp_path, monkeypatch)
    test(lambda region: template.Laplace.of(region, 0.1), test_samplers.DOMAINS[where])
