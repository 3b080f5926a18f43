"""One contract for all samplers: add a line to SAMPLERS and every test runs on it."""

from __future__ import annotations

import numpy as np
import pytest

from expandcluster.options import QueryOptions
from expandcluster.queries.domain import Domain, Region
from expandcluster.queries.samplers import Around, Gaussian, Sampler, Uniform, Varied, open_sampler

ROWS = np.random.default_rng(5).uniform(0.2, 0.8, size=(400, 3))
SAMPLERS = {
    "gaussian": lambda region: Gaussian.of(region, 0.1),
    "uniform": Uniform.of,
    "varied": Varied.of,
    "around": lambda region: Around.of(region, ROWS, 0.3),
}
DOMAINS = {"box": Domain(0.0, 1.0), "own bounds": Domain.box([0, 0.1, 0.2], [1, 0.9, 1.5]),
           "everywhere": Domain(), "above": Domain(low=0.0)}


def cases() -> list:
    return [pytest.param(make, domain, id=f"{name}, {where}") for name, make in SAMPLERS.items()
            for where, domain in DOMAINS.items() if name not in ("uniform", "varied") or where in ("box", "own bounds")]


def _sampler(make, domain: Domain) -> tuple[Sampler, Region]:
    region = Region.of(domain, 3, np.float64)
    return make(region), region


@pytest.mark.parametrize(("make", "domain"), cases())
def test_inputs_are_inside_and_new_each_time(make, domain):
    sampler, region = _sampler(make, domain)
    rng = np.random.default_rng(0)
    one, other = sampler.draw(rng, 500), sampler.draw(rng, 500)
    assert one.shape == (500, 3) and region.contains(one) and region.contains(other)
    assert len(np.unique(np.concatenate([one, other]), axis=0)) == 1000
    np.testing.assert_array_equal(one, sampler.draw(np.random.default_rng(0), 500))


@pytest.mark.parametrize(("make", "domain"), cases())
def test_center_and_unit_are_those_of_what_is_drawn(make, domain):
    sampler, _ = _sampler(make, domain)
    x = sampler.draw(np.random.default_rng(0), 20_000)
    assert (sampler.unit > 0).all()
    np.testing.assert_allclose(x.mean(axis=0), sampler.center, atol=0.05)
    np.testing.assert_allclose(x.std(axis=0), sampler.unit, rtol=0.25)  # about: folding at a bound near by narrows it


@pytest.mark.parametrize(("make", "domain"), cases())
def test_scaled_inputs_are_nearer_to_the_center(make, domain):
    sampler, region = _sampler(make, domain)
    whole, half = (s.draw(np.random.default_rng(0), 20_000) for s in (sampler, sampler.scaled(0.5)))
    assert region.contains(half)
    share = half.std(axis=0) / whole.std(axis=0)
    assert ((share > 0.4) & (share < 0.65)).all()  # one half, but for what folding did to the whole


def test_many_inputs_of_a_box_are_varied():
    """The mean of many uniform inputs hardly varies; here it goes from low to high, and so does the contrast."""
    region = Region.of(Domain.box(np.full(200, -1.0), np.full(200, 3.0)), 200, np.float64)
    sampler = open_sampler(QueryOptions(), region, None)
    x = sampler.draw(np.random.default_rng(0), 900)
    means = np.sort((x.mean(axis=1) + 1) / 4)
    assert isinstance(sampler, Varied) and (means[90] < 0.1) and (means[-90] > 0.9)
    assert np.mean(np.abs(means - 0.5) < 0.1) > 0.3
    assert abs(np.mean(means) - 0.5) < 0.03
    assert isinstance(open_sampler(QueryOptions(sampler="uniform"), region, None), Uniform)
    assert isinstance(open_sampler(QueryOptions(), Region.of(Domain(0.0, 1.0), 8, np.float64), None), Uniform)


def test_varied_whole_numbers():
    region = Region.of(Domain(0, 3, integers=True), 50, np.float64)
    x = Varied.of(region).draw(np.random.default_rng(0), 300)
    assert region.contains(x) and {0.0, 1.0, 2.0, 3.0} == set(np.unique(x))
