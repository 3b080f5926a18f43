"""The 150 synthetic teachers never change."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from expandcluster.errors import BadInput
from expandcluster.networks import Network
from expandcluster.problems.synthetic import (
    HIDDEN,
    INPUTS,
    SEEDS,
    SyntheticProblem,
    synthetic_inputs,
    synthetic_problems,
    synthetic_teacher,
)

# First 8 digits of `digest` for seeds 0 to 9, by d and r.
DIGESTS = {
    (2, 2): "ec7ec1a3 c288c107 15aa432c fb84e980 91ee29c7 5a9d2ca7 91ab82fb 72c4fbb2 8f1c6775 3384b376",
    (2, 4): "c292ecdd 1e16cc01 5d87b57b b17c5d75 a98147ff 646b7cc4 6f59ddc2 ce6ef2d6 7e23ea11 1c08b827",
    (2, 8): "72ede6b5 a7d6e031 0ad14e76 ef100ab7 ae210fb2 49f8c36c 2aafe859 9e377d8b f364acb0 80ffd9be",
    (4, 2): "2173c579 32c9f202 445c3ad8 c2892657 61afe006 c9fa2c9a dc543967 b42a7603 5cc23264 4dbca52b",
    (4, 4): "277e7d2f f801eed1 68e6707d 2170d92b 22b05ce8 77a032bb e6d42144 39538de6 87b60e7f 00c3a28b",
    (4, 8): "b7573cd7 64c6ec79 fbbafaec 6e84ac67 5cff1af9 56edb1b5 feba6e72 5be2cdb2 51ba7d3a 94e9b9a0",
    (8, 2): "16cfaa1a d0a1c015 3096c796 6187d52f 739bc837 05b30cb8 b6434ba9 047ce6a0 82bbabf7 f8ed088e",
    (8, 4): "dbf72874 3a86e775 9d56fea9 32e40d6e 69a234cd 00dbb0c4 ac186456 905a6b06 e04ea060 36823638",
    (8, 8): "15986568 c0501695 bf904990 299c2642 fe0ca73f 03547399 1947d98f 39d4dce0 91b21aa3 87d5ab52",
    (16, 2): "e94fc5d2 10775b79 eb5fea59 1a53134b b44e32c5 18ab1962 825e8256 44322fbe c76df9ec b8ade460",
    (16, 4): "a1b68aeb 0440ba74 91dfb233 e36f8ae6 3dbb58bd 9d089fdb 01d3e96a 18c43b72 a20ae91d 73cdaf89",
    (16, 8): "7ae9d377 995e44b0 ee10fbed cb6da8f3 633bbb72 c8c1b346 49366fc8 46cd4465 843a024a b0f9f245",
    (32, 2): "90f239cf e9a74750 c8d3f623 d2c22d2d 238a1643 3921d181 e17aedea c9d6ba3d 922c7f01 e14d0a51",
    (32, 4): "382bf5e8 515a88fd f5194c23 d476c086 5774c4c6 c6deaf02 af4630d8 52e450fe d6fb3895 c629202c",
    (32, 8): "44df8805 9e4252cf 208ee423 4e7f5bbd 289bdb7b da9a7e95 21453a07 ce0ca0d9 c0def4af 646cb845",
}


def digest(network: Network, factor: float = 1.0) -> str:
    """SHA-256 of all parameters, rounded to 10 significant digits so that the last bits of a library do not matter.

    At 12 digits nine of the teachers have a number within four units in the last place of where rounding changes.
    """
    numbers = [value for array in (*network.weights, *network.biases) for value in (factor * array).reshape(-1)]
    return hashlib.sha256(" ".join(f"{value:.9e}" for value in numbers).encode()).hexdigest()[:8]


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_every_teacher_is_the_published_one(inputs: int, hidden: int) -> None:
    teachers = [synthetic_teacher(inputs, hidden, seed) for seed in SEEDS]
    assert [digest(teacher) for teacher in teachers] == DIGESTS[inputs, hidden].split()
    for factor in (1 - 1e-15, 1 + 1e-15):
        assert [digest(teacher, factor) for teacher in teachers] == DIGESTS[inputs, hidden].split()
    assert digest(teachers[0], 1 + 1e-8) != digest(teachers[0])


def test_there_are_150_different_ones() -> None:
    problems = synthetic_problems()
    assert len(problems) == len(set(problems)) == 150 and list(problems) == sorted(problems)
    assert len({word for words in DIGESTS.values() for word in words.split()}) == 150
    assert len({problem.name for problem in problems}) == 150


def test_teachers_are_as_the_paper_describes_them() -> None:
    outgoing, biases = [], []
    for problem in synthetic_problems():
        teacher = problem.teacher
        assert teacher.sizes == (problem.inputs, problem.hidden, 1) and teacher.activation.name == "g"
        np.testing.assert_allclose(np.linalg.norm(teacher.weights[0], axis=1), 2.0, rtol=1e-14)
        outgoing.extend(teacher.weights[1].reshape(-1))
        biases.extend(teacher.biases[0])
    assert np.abs(outgoing).min() >= 0.5
    assert np.std(np.abs(outgoing) - 0.5) == pytest.approx(np.sqrt(1 - 2 / np.pi), rel=0.1)
    assert np.std(biases) == pytest.approx(0.5, rel=0.1) and abs(np.mean(biases)) < 0.06


def test_inputs_are_standard_normal_and_do_not_depend_on_their_number() -> None:
    problem = SyntheticProblem(4, 2, 3)
    x = synthetic_inputs(problem, 5000)
    assert x.shape == (5000, 4)
    np.testing.assert_array_equal(synthetic_inputs(problem, 100), x[:100])
    np.testing.assert_allclose(np.cov(x.T), np.eye(4), atol=0.08)
    assert not np.array_equal(synthetic_inputs(SyntheticProblem(4, 2, 4), 100), x[:100])


@pytest.mark.parametrize(("arguments", "name"), [
    ((0, 2, 0), "inputs"), ((-1, 2, 0), "inputs"), ((2.0, 2, 0), "inputs"), (("2", 2, 0), "inputs"),
    ((True, 2, 0), "inputs"), ((None, 2, 0), "inputs"), ((2, 0, 0), "hidden"), ((2, 1.5, 0), "hidden"),
    ((2, 2, -1), "seed"), ((2, 2, 0.0), "seed"), ((2, 2, False), "seed")])
def test_what_is_no_problem_is_refused(arguments: tuple[int, int, int], name: str) -> None:
    with pytest.raises(BadInput, match=f"^{name}: got .* expected an integer of at least"):
        synthetic_teacher(*arguments)
    with pytest.raises(BadInput):
        _ = SyntheticProblem(*arguments).teacher


def test_other_sizes_and_integers_of_numpy() -> None:
    assert synthetic_teacher(3, 1, 12).sizes == (3, 1, 1)
    assert digest(synthetic_teacher(np.int64(8), np.int32(4), np.uint8(0))) == DIGESTS[8, 4].split()[0]
