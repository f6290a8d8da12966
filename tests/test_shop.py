"""The synthetic shop: what the issue of its size and truth asks, and that a seed is a seed."""
import numpy as np
import pandas as pd
import pytest

import dimm_nb
from dimm_nb.learning.shop import (
    FEATURES,
    STORY,
    Feature,
    feature_cpt,
    likes,
    shop_network,
    shop_truth,
    simulate_shop,
    story_events,
    words,
)
from dimm_nb.mixture.mixture import breaks_assumption
from dimm_nb.network.oracle import Oracle


def test_the_network_is_of_the_paper_s_size():
    net = shop_network()
    assert len(net.names) == 32 and len(net.index) == 1122
    assert sum(map(len, net.parents)) >= 40 and sum(len(parents) >= 2 for parents in net.parents) >= 10
    assert all(cpt.min() > 0 for cpt in net.cpts)
    assert [feature.name for feature in FEATURES] == list(net.names) == [net.names[j] for j in range(32)]
    assert all(p < j for j, parents in enumerate(net.parents) for p in parents), "causes stand first"


def test_the_truth_is_the_paper_s():
    net, truth = shop_network(), shop_truth()
    forced = truth.weights[truth.weights > 0]
    assert len(forced) == 54 and truth.base_weight == pytest.approx(0.16) and forced.max() == pytest.approx(0.16)
    assert breaks_assumption(net, truth) == []
    base = pd.Series(Oracle.from_network(net, interventions=[]).base, net.index)
    assert base["Browser", "HeadlessChrome"] < 1e-3 < forced["Browser", "HeadlessChrome"]
    assert set(story_events()) == set(STORY) and not story_events().index.has_duplicates


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_states_are_named_once(feature):
    assert len(set(feature.states)) == len(feature.states) == (feature.size or len(feature.head))


def test_a_seed_is_a_seed():
    first, again, other = (simulate_shop(500, seed=seed) for seed in (3, np.random.default_rng(3), 4))
    assert (first.stable.equals(again.stable) and first.deviating.equals(again.deviating)
            and not first.stable.equals(other.stable))
    assert list(first.stable.columns) == list(first.network.names) and not first.stable.isna().any(axis=None)
    assert dimm_nb.simulate_shop is simulate_shop


@pytest.mark.parametrize("rows", [0, -1, 2.5, "many", None])
def test_a_number_of_rows_is_asked_for(rows):
    with pytest.raises(ValueError, match="a whole number from 1 up"):
        simulate_shop(rows)


def test_one_row_is_enough():
    assert len(simulate_shop(1, seed=0).deviating) == 1


def test_a_preference_for_an_unknown_state_is_refused():
    cause = Feature("Device", words("phone, desktop"))
    effect = Feature("System", words("iOS, Windows"), ("Device",), prefers={"Device": likes("tablet: iOS 3")})
    with pytest.raises(ValueError, match="System: Device=tablet cannot prefer 'iOS'"):
        feature_cpt(effect, [cause], [0])


def test_a_preference_is_a_ratio_of_odds():
    cause = Feature("Device", words("phone, desktop"))
    effect = Feature("System", words("iOS, Windows"), ("Device",), s=0.0, sigma=0.0,
                     prefers={"Device": likes("phone: iOS 3")})
    np.testing.assert_allclose(feature_cpt(effect, [cause], [0]), [[0.75, 0.25], [0.5, 0.5]])
