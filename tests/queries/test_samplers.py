"""One contract for all samplers: add a line to SAMPLERS and every test runs on it."""

from __future__ import annotations

import numpy as np
import pytest

from expandcluster.queries.domain import Domain, Region
from expandcluster.queries.samplers import Around, Gaussian, Sampler, Uniform

ROWS = np.random.default_rng(5).uniform(0.2, 0.8, size=(400, 3))
SAMPLERS = {
    "gaussian": lambda region: Gaussian.of(region, 0.1),
    "uniform": Uniform.of,
    "around": lambda region: Around.of(region, ROWS, 0.3),
}
DOMAINS = {"box": Domain(0.0, 1.0), "own bounds": Domain.box([0, 0.1, 0.2], [1, 0.9, 1.5]),
           "everywhere": Domain(), "above": Domain(low=0.0)}


def cases() -> list:
    return [pytest.param(make, domain, id=f"{name}, {where}") for name, make in SAMPLERS.items()
            for where, domain in DOMAINS.items() if name != "uniform" or where in ("box", "own bounds")]


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
