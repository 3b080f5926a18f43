"""Options are checked when made; wrong ones name themselves, what came and what was expected."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expandcluster.errors import BadInput
from expandcluster.options import (
    AdamOptions,
    BFGSOptions,
    ClusterOptions,
    ExpandOptions,
    GradientFlowOptions,
    LMOptions,
    NewtonOptions,
    QueryOptions,
    RecoverOptions,
    SLSQPOptions,
)

CLASSES = (AdamOptions, BFGSOptions, ClusterOptions, ExpandOptions, GradientFlowOptions, LMOptions, NewtonOptions,
           QueryOptions, SLSQPOptions)
ANYTHING = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.text(max_size=3),
                     st.lists(st.integers(-2, 5), max_size=3).map(tuple))


@pytest.mark.parametrize("options", CLASSES)
@given(data=st.data())
def test_any_value_is_taken_or_refused_by_name(options, data):
    field = data.draw(st.sampled_from([f.name for f in dataclasses.fields(options)]))
    value = data.draw(ANYTHING)
    try:
        made = options(**{field: value})
    except BadInput as error:
        assert field in str(error) and "expected" in str(error)
    else:
        assert getattr(made, field) is value


@pytest.mark.parametrize(("options", "values"), [
    (QueryOptions, {"max_queries": 0}), (QueryOptions, {"scale": -1.0}), (QueryOptions, {"noise": float("nan")}),
    (QueryOptions, {"per_parameter": 0}), (LMOptions, {"steps": 0}), (LMOptions, {"progress": 1.0}),
    (AdamOptions, {"factor": 2.0}), (ExpandOptions, {"widths": (8, 4)}), (ExpandOptions, {"widths": ()}),
    (ExpandOptions, {"rho": 0.5}), (ClusterOptions, {"cut": "best"}), (ClusterOptions, {"gamma": 1.5}),
    (ClusterOptions, {"beta": 0.0}), (ClusterOptions, {"contribution": -1.0}), (ExpandOptions, {"prune": "yes"}),
    (QueryOptions, {"noisy": 1}), (AdamOptions, {"least_learning_rate": 0.0}), (RecoverOptions, {"queries": None}),
    (ExpandOptions, {"lm": None}), (GradientFlowOptions, {"solver": "euler"}), (GradientFlowOptions, {"loss": 0.0}),
    (GradientFlowOptions, {"time": -1.0}), (GradientFlowOptions, {"largest_step": 0.0}), (BFGSOptions, {"loss": 0.0}),
    (NewtonOptions, {"radius": float("inf")}), (NewtonOptions, {"steps": 0}), (SLSQPOptions, {"gradient_norm": -1.0}),
])
def test_wrong_values_are_refused(options, values):
    with pytest.raises(BadInput, match=next(iter(values))):
        options(**values)
