"""The analyst's evaluation: measures by hand, methods on a small shop, and the real table where it is at hand."""
import warnings

import numpy as np
import pandas as pd
import pytest

from dimm_nb.learning.ecommerce import (
    CONTESTANTS,
    PAPER,
    SHOPPERS,
    agreement,
    answers,
    biggest_shifts,
    corner,
    evaluate,
    read_shoppers,
    shoppers_file,
    variation,
)
from dimm_nb.learning.knowledge import Knowledge, categorize
from dimm_nb.learning.learning import learn_network
from dimm_nb.learning.shop import Shop, shop_network, shop_truth
from dimm_nb.mixture.marginals import count_categories
from dimm_nb.mixture.mixture import Mixture, mixture_marginals, sample_mixture
from dimm_nb.network.axis import Marginals
from dimm_nb.network.network import CausalNetwork
from dimm_nb.network.oracle import Oracle
from dimm_nb.posterior.posterior import fit_posterior

NAMES = ["Visitor", "Weekday", "Channel", "ReferrerType"]


@pytest.fixture(scope="module")
def small():
    net = corner(shop_network(), NAMES)
    weights = pd.Series(0.0, net.index)
    weights["Channel", "email"], weights["Visitor", "new"] = 0.2, 0.1
    truth = Mixture(weights)
    rng = np.random.default_rng(3)
    return Shop(net, net.frame(net.sample(20_000, rng)), net.frame(sample_mixture(net, truth, 20_000, rng)[0]), truth)


def test_agreement_by_hand():
    a, b = Mixture({"x": 0.5, "y": 0.0, "z": 0.0005, "w": 0.1}), Mixture({"w": 0.2, "x": 0.3, "y": 0.001, "z": 0.0})
    found = agreement(a, b)
    assert found["accuracy"] == 0.75 and found["found"] == 3 and found["right"] == 2 and found["largest"] == 0.3
    assert (found["MAE"] == pytest.approx((0.2 + 0.001 + 0.0005 + 0.1) / 4)
            and found["base weight"] == pytest.approx(0.499))
    assert agreement(a, b, threshold=0.15)["right"] == 1
    part = agreement(Mixture({"x": 0.5, "w": 0.1}), b)
    assert (part["accuracy"] == 0.75 and part["found"] == 3 and part["right"] == 2
            and part["MAE"] == pytest.approx((0.2 + 0.1 + 0.001) / 4))
    with pytest.raises(ValueError, match="over different interventions"):
        agreement(a, Mixture({"x": 0.1, "new": 0.1}))


def test_the_paper_s_numbers_are_the_paper_s():
    assert PAPER.to_dict() == {"accuracy": 0.88, "MSE": 5.4e-5, "MAE": 1.1e-3, "found": 54, "base weight": 0.16,
                               "largest": 0.16, "objective": 0.097}


def test_a_corner_is_the_network_s_own():
    whole, part = shop_network(), corner(shop_network(), NAMES)
    assert set(part.edges) == {edge for edge in set(whole.edges) if set(edge) <= set(NAMES)}
    big, small = (pd.DataFrame(o.do, o.interventions, o.index) for o in map(Oracle.from_network, (whole, part)))
    np.testing.assert_allclose(big.loc[part.index, part.index], small, atol=1e-12)
    with pytest.raises(ValueError, match="'Hour' is a cause of 'Device': take it in"):
        corner(whole, ["Visitor", "Device"])
    with pytest.raises(ValueError, match="no node 'Chanel'"):
        corner(whole, ["Chanel"])


def test_what_is_forced_outside_a_corner_does_not_show_in_it():
    whole, part = shop_network(), corner(shop_network(), NAMES)
    p = pd.Series(mixture_marginals(Oracle.from_network(whole), shop_truth()).p, whole.index)
    inside = mixture_marginals(Oracle.from_network(part),
                               Mixture(shop_truth().weights.loc[NAMES].reindex(part.index))).p
    np.testing.assert_allclose(p.loc[NAMES].reindex(part.index), inside, atol=1e-12)


def test_shifts_are_matched_by_label():
    net = CausalNetwork(["a", "b"], [["x", "y"]] * 2, [(), ()], [[.5, .5]] * 2)
    before = Marginals(net.index, [.5, .5, .9, .1], [10, 10])
    order = [3, 2, 1, 0]
    after = Marginals(net.index[order], [.6, .4, .3, .7], [10, 10])
    found = biggest_shifts(before, after, n=4)
    for label, row in found.iterrows():
        assert (row.after == after.p[list(after.index).index(label)]
                and row.change == pytest.approx(row.after - row.before))
    assert found.change.abs().is_monotonic_decreasing


def test_evaluation_holds_every_method_against_the_truth_and_em(small):
    learned = learn_network(small.stable, Knowledge([["Visitor", "Weekday"], ["Channel"], ["ReferrerType"]]),
                            bootstrap=0)
    table = evaluate(small, {"true": small.network, "learned": learned}, [2_000, 20_000])
    assert len(table) == 2 * 2 * (3 + 2) and set(table[table.against == "EM"].method) == {"dimm", "posterior"}
    best = table[(table.against == "truth") & (table.rows == 20_000)].set_index(["network", "method"])
    assert (best["right"].loc["true"] == 2).all() and best.loc[("true", "posterior"), "found"] == 2
    assert (table.seconds > 0).all()


def test_answers_take_rows_and_known_methods_only(small):
    with pytest.raises(ValueError, match="no method 'guess': choose from dimm, "):
        answers(small.network, small.deviating, methods=["guess"])
    with pytest.raises(ValueError, match="no column 'Visitor'"):
        answers(small.network, small.deviating.drop(columns="Visitor"), methods=["dimm"])
    assert set(answers(small.network, small.deviating[:500], methods=list(CONTESTANTS)[:2])) == {"dimm", "dimm, λ=0.01"}


def test_variation_by_hand_and_by_chance():
    net = CausalNetwork(["a", "b"], [["x", "y"]] * 2, [(), ()], [[.5, .5], [.2, .8]])
    found, chance = variation(Marginals(net.index, [.7, .3, .2, .8], [100, 100]), np.array([.5, .5, .2, .8]))
    assert found == pytest.approx(0.1) and chance == pytest.approx(np.sqrt(2 / np.pi / 100) * (0.5 + 0.4) / 2)
    drawn = [variation(Marginals.from_codes(net, net.sample(100, seed)), np.array([.5, .5, .2, .8]))
             for seed in range(200)]
    assert np.mean([f for f, _ in drawn]) == pytest.approx(chance, rel=0.1)


# the real shop


FILE = shoppers_file()
real = pytest.mark.skipif(FILE is None, reason="UCI's table of online shoppers is not here: name it in DIMM_SHOPPERS")
CELLS = dict(Month="Nov", Region=1, VisitorType="New_Visitor", Weekend="TRUE", TrafficType=2, OperatingSystems=1,
             Browser=1, Administrative=0, Informational=0, ProductRelated=3,
             Administrative_Duration=0.0, Informational_Duration=0.0, ProductRelated_Duration=64.5, BounceRates=0.1,
             ExitRates=0.2, PageValues=0.0, Revenue="FALSE")


def test_either_form_of_the_headers_is_read(tmp_path, monkeypatch):
    frame = pd.DataFrame([CELLS])
    for table in (frame, frame.rename(columns={"BounceRates": "BounceRates in %", "ExitRates": "ExitRates in %"})):
        table.assign(**{"SpecialDay (probability)": 0}).to_csv(tmp_path / "x.csv", index=False)
        assert list(read_shoppers(tmp_path / "x.csv").columns) == ["Month",
                                                                   *(name for tier in SHOPPERS.tiers for name in tier)]
    monkeypatch.setenv("DIMM_SHOPPERS", str(tmp_path / "x.csv"))
    assert shoppers_file() == tmp_path / "x.csv"
    frame.drop(columns="Revenue").to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(ValueError, match="has no column 'Revenue': expected UCI's data set 468"):
        read_shoppers(tmp_path / "x.csv")


@real
def test_a_real_november(tmp_path):
    visits = read_shoppers(FILE)
    assert len(visits) == 12_330
    calm, names = ~visits.Month.isin(["Nov", "Feb", "Oct"]), list(visits.columns[1:])
    net = learn_network(visits[calm], SHOPPERS, columns=names, other=True, bootstrap=0)
    assert (len(net.names) == 16 and ("PageValues", "Revenue") in set(net.edges)
            and all(cpt.min() > 0 for cpt in net.cpts))
    november = visits[visits.Month == "Nov"][names]
    november.to_csv(tmp_path / "november.csv", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seen = count_categories(november, net)
        fit = fit_posterior(net, seen, seed=0)
    assert fit.mixture.weights.idxmax() == ("TrafficType", "2") and fit.mixture.base_weight < 0.5
    cut = categorize(november, SHOPPERS)
    assert (seen.counts["ExitRates"].to_dict()
            == cut.ExitRates.value_counts().reindex(list(net.states[net.names.index("ExitRates")]),
                                                    fill_value=0).to_dict())
    assert seen.n.tolist() == [2998] * 16, "each visit counts once in each feature"
