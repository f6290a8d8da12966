"""Targets of several nodes: pricing against enumeration, merging, the search's promises, bad input."""
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from dimm_nb import (
    CausalNetwork,
    Intervention,
    Marginals,
    Mixture,
    Oracle,
    attribute,
    fit_em,
    fit_targets,
    load_network,
    random_network,
    sample_mixture,
)
from dimm_nb.experiments.targets import alarm_targets, random_targets, target_metrics
from dimm_nb.solvers.growing import (
    GAP,
    Task,
    eliminated,
    enlarged,
    fitted,
    handed_back,
    key,
    least_set,
    losses,
    more_general,
    search,
    wider,
)
from dimm_nb.solvers.pricing import charges, extensions, gain, price_all, price_beam, ratios, sweep, tabulate

seeds = st.integers(0, 10_000)
few = settings(max_examples=15, deadline=None)


def with_zeros(seed):
    "A small random network, a third of its table entries 0."
    net, rng = random_network(4, [2, 3, 2, 2], max_parents=2, seed=seed), np.random.default_rng(seed)
    tables = []
    for cpt in net.cpts:
        table = cpt * (rng.random(cpt.shape) < .67)
        table[..., 0] += 1e-3
        tables.append(table / table.sum(axis=-1, keepdims=True))
    return CausalNetwork(net.names, net.states, net.parents, tables)


def every_target(net):
    return [
        {i: k for i, k in enumerate(cell) if k < net.sizes[i]}
        for cell in itertools.product(*(range(k + 1) for k in net.sizes))
    ]


def any_rows(net, seed, m=300):
    "Rows that need not be possible under P."
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.integers(0, k, m) for k in net.sizes])


def surgery(net, target):
    return net.do({net.names[i]: net.states[i][k] for i, k in target.items()}) if target else net


@few
@given(seeds)
def test_ratios_and_sweep_are_what_surgery_says(seed):
    net = with_zeros(seed)
    rows, targets = tabulate(net, codes := any_rows(net, seed), np.ones(300)), every_target(net)
    with np.errstate(divide="ignore"):
        truth = np.column_stack([np.exp(surgery(net, target).log_prob(rows.codes)) for target in targets])
    np.testing.assert_allclose(ratios(rows, targets) * np.exp(rows.log_scale)[:, None], truth, rtol=1e-9, atol=0)
    weight = np.zeros(net.sizes)
    np.add.at(weight, tuple(codes.T), 1 / 300)
    cells = weight[tuple(rows.codes.T)]
    np.testing.assert_allclose(sweep(net, weight).ravel(), cells @ truth, rtol=1e-9)
    np.testing.assert_allclose(sweep(net, weight, square=True).ravel(), cells @ truth**2, rtol=1e-9)


@few
@given(seeds)
def test_both_pricings_agree_with_enumeration(seed):
    net = with_zeros(seed)
    rows, targets = tabulate(net, any_rows(net, seed), np.ones(300)), every_target(net)
    charge, table = charges(rows, .6), ratios(rows, targets)
    mix = table @ np.random.default_rng(seed).dirichlet(np.ones(len(targets)))
    r = table / mix[:, None]
    slope, curve = rows.frequency @ r, rows.frequency @ r**2
    worth = gain(slope, curve) * 300 - [charge.of(target) for target in targets]
    by_hand = {key(t): w for t, w in zip(targets, worth) if w > 0 and t}
    exact = price_all(rows, mix, charge)
    assert set(map(key, exact.targets)) == set(by_hand) and (np.diff(exact.worth) <= 0).all()
    np.testing.assert_allclose(exact.worth, [by_hand[key(t)] for t in exact.targets], rtol=1e-6)
    assert exact.bound == pytest.approx(slope.max() - 1, abs=1e-9)
    beam = price_beam(rows, mix, charge, width=1000)
    assert {key(t) for t in beam.targets} <= set(by_hand) and beam.bound == math.inf
    np.testing.assert_allclose(beam.worth, [by_hand[key(t)] for t in beam.targets], rtol=1e-6)
    banned = [(1, 2), (3, 0)]
    for price in (price_all, price_beam):
        assert not any(set(t.items()) & set(banned) for t in price(rows, mix, charge, banned).targets)


def test_extensions_see_rows_that_one_more_node_makes_possible():
    net = CausalNetwork(["a", "b"], [["0", "1"]] * 2, [(), (0,)], [np.array([.5, .5]), np.array([[1., 0.], [.5, .5]])])
    rows = tabulate(net, np.array([[0, 1], [0, 0], [1, 1]]), np.ones(3))
    found, slope, _ = extensions(rows, np.ones(3), {}, ())
    table = dict(zip(map(key, found), slope))
    assert table[key({1: 1})] == pytest.approx(rows.frequency @ ratios(rows, [{1: 1}])[:, 0])
    assert sorted(ratios(rows, [{}]).ravel()) == [0, 1, 1]


@few
@given(seeds)
def test_the_gain_is_never_negative_and_below_its_limit(seed):
    rng = np.random.default_rng(seed)
    r = rng.exponential(1, 50) * (rng.random(50) < .3) * 4
    slope, curve = r.mean(), (r**2).mean()
    if slope == 0: return
    assert 0 <= gain(np.array([slope]), np.array([curve]))[0] <= max(np.log(slope), 0) + 1e-12


def test_a_charge_is_the_description():
    net = random_network(3, [2, 3, 4], seed=0)
    charge = charges(tabulate(net, any_rows(net, 0, 100), np.ones(100)), .5)
    assert charge.of({}) == 0
    assert charge.of({1: 0, 2: 3}) == pytest.approx(
        0.5 * (np.log(4) + np.log(3) + np.log(100) / 2 + np.log(3) + np.log(4))
    )


# the search


@few
@given(seeds)
def test_handing_back_keeps_the_distribution_and_frees_a_state(seed):
    net = random_network(3, 3, max_parents=2, seed=seed)
    rows = tabulate(net, net.sample(500, seed), np.ones(500))
    task, rng = Task(rows, charges(rows, .6)), np.random.default_rng(seed)
    node = net.order[-1]
    rest = {j: int(rng.integers(3)) for j in range(3) if j != node}
    targets = [{}, *({**rest, node: k} for k in range(3))]
    before = fitted(task, targets, ratios(rows, targets), rng.dirichlet(np.ones(4)))
    after = handed_back(task, before)
    assert after.log_likelihood >= before.log_likelihood - 2 * GAP
    if (before.shares > 0).all(): assert key(rest) in set(map(key, after.targets)) and len(after.targets) == 4


def test_an_estimated_loss_is_near_the_true_one():
    net = random_network(4, 3, max_parents=2, seed=2)
    targets = [{}, {0: 1}, {1: 0, 3: 2}]
    rows = tabulate(
        net,
        np.vstack([surgery(net, t).sample(m, seed=s) for s, (t, m) in enumerate(zip(targets, (3000, 300, 60)))]),
        np.ones(3360),
    )
    task = Task(rows, charges(rows, .6))
    full = fitted(task, targets, ratios(rows, targets), np.ones(3))
    for a in (1, 2):
        rest = np.arange(3) != a
        truth = (
            full.log_likelihood
            - fitted(
                task, [t for t, stays in zip(targets, rest) if stays], full.ratio[:, rest], full.shares[rest]
            ).log_likelihood
        )
        assert losses(task, full)[a] == pytest.approx(truth, rel=0.5), (
            "the quadratic is a guess, of the right size for small shares"
        )
    noisy = enlarged(task, full, [{2: 0, 3: 0}, {0: 2, 1: 1, 2: 2}])
    assert set(map(key, eliminated(task, noisy).targets)) == set(map(key, targets))
    assert eliminated(task, noisy).score >= full.score - GAP


def test_what_is_wider_and_what_is_set_least():
    assert wider({0: 1}) == [] and wider({0: 1, 2: 0}) == [{2: 0}, {0: 1}]
    assert len(wider(dict.fromkeys(range(4), 0))) == 4 + 6 and len(wider(dict.fromkeys(range(7), 0))) == 7
    net = random_network(3, 2, seed=0)
    rows = tabulate(net, any_rows(net, 0), np.ones(300))
    task = Task(rows, charges(rows, .6))
    grown = fitted(task, [{}, {0: 0}, {0: 1, 1: 1}], ratios(rows, [{}, {0: 0}, {0: 1, 1: 1}]), np.ones(3))
    weight = {0: dict(zip(map(key, grown.targets), grown.shares))}
    fewer = 0 if weight[0][key({0: 0})] < weight[0][key({0: 1, 1: 1})] else 1
    assert least_set(task, grown) == {(0, fewer), (1, 0), (2, 0)}
    assert all(key(t) not in set(map(key, grown.targets)) for t in more_general(task, grown))


@pytest.fixture(scope="module")
def found():
    "A network, what happened in it, rows, and what is found."
    net = random_network(5, 3, max_parents=2, seed=4)
    happened = [
        Intervention({"X0": "s1"}),
        Intervention({"X1": "s0", "X3": "s2"}),
        Intervention({"X2": "s1", "X3": "s0", "X4": "s0"}),
    ]
    pi = Mixture({one.name: share for one, share in zip(happened, (.2, .15, .1))})
    codes, _ = sample_mixture(net, pi, 8_000, seed=0, interventions=happened)
    return net, happened, pi, codes, fit_targets(net, codes)


def test_what_happened_is_found(found):
    _, happened, pi, codes, fit = found
    assert {frozenset(i.do.items()) for i in fit.interventions} == {frozenset(i.do.items()) for i in happened}
    for one in fit.interventions:
        true = pi.weights[next(h.name for h in happened if h.do == one.do)]
        assert abs(fit.mixture.weights[one.name] - true) < 5 * np.sqrt(true / len(codes)), (
            "five standard errors of a share that could be seen"
        )


def test_the_answer_keeps_the_protocol(found):
    net, _, _, codes, fit = found
    names = [one.name for one in fit.interventions]
    assert fit.to_frame().index.tolist() == names == fit.weights.index.tolist() == fit.mixture.weights.index.tolist()
    assert (
        fit.converged is True
        and fit.notes == ()
        and len(fit.largest(2)) == 2
        and fit.largest(1).share.iloc[0] == fit.weights.max()
    )
    assert "3 targets" in fit.summary() and "<table" in fit._repr_html_()
    assert Oracle.from_network(net, fit.interventions).interventions.equals(fit.weights.index)
    em = fit_em(net, codes, interventions=fit.interventions)
    np.testing.assert_allclose(em.mixture.weights, fit.mixture.weights, atol=2e-3)
    assert (fit.steps.score.diff().dropna() > 0).all() and fit.steps.targets.iloc[-1] == 3
    assert fit.plot().get_ylabel().startswith("score")


def test_the_bound_holds_over_all_targets(found):
    net, _, _, codes, _fit = found
    few_ = codes[:400]
    part = fit_targets(net, few_)
    rows, targets = tabulate(net, few_, np.ones(400)), every_target(net)
    task = Task(rows, charges(rows, .6))
    best = fitted(task, targets, ratios(rows, targets), np.ones(len(targets)))
    assert best.log_likelihood - part.log_likelihood <= part.bound * 400 + GAP
    assert best.log_likelihood > part.log_likelihood


def test_counts_stand_for_rows_and_a_beam_for_the_sweep(found):
    net, _, _, codes, fit = found
    distinct, times = np.unique(codes, axis=0, return_counts=True)
    same = fit_targets(net, net.frame(distinct), counts=times)
    np.testing.assert_allclose(same.mixture.weights, fit.mixture.weights, atol=1e-5)
    assert same.rows["all"] == 8_000 and same.rows["distinct"] == len(distinct)
    beam = fit_targets(net, codes, limit=0, n_starts=3)
    assert (
        set(beam.weights.index) == set(fit.weights.index)
        and beam.bound == math.inf
        and "beam" in beam.status
        and len(beam.notes) == 1
    )


def test_excluded_states_are_never_set(found):
    net, _, _, codes, _ = found
    fit = fit_targets(net, codes, excluded={"X0": "s1"})
    assert not any(one.do.get("X0") == "s1" for one in fit.interventions)


def test_a_higher_price_buys_less(found):
    net, _, _, codes, fit = found
    assert len(fit_targets(net, codes[:1000], price=50).interventions) < len(fit.interventions)


def test_a_node_of_one_state_and_nothing_to_find():
    net = CausalNetwork(["one", "two"], [["only"], ["a", "b"]], [(), (0,)], [np.array([1.]), np.array([[.5, .5]])])
    fit = fit_targets(net, net.sample(200, seed=0))
    assert fit.interventions == () and fit.mixture.base_weight == 1 and len(fit.to_frame()) == 0


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(price=0), "price is"),
        (dict(price=True), "price is"),
        (dict(price=math.nan), "price is"),
        (dict(beam=0), "beam must be"),
        (dict(limit=-1), "limit must be"),
        (dict(n_starts=0), "n_starts must be"),
        (dict(n_starts=1.5), "n_starts must be"),
        (dict(excluded={"X9": "s0"}), "no node 'X9'"),
        (dict(excluded={"X0": "s9"}), "no state 's9'"),
        (dict(counts=np.ones(3)), "one number a row"),
        (dict(counts=np.full(8_000, 0.5)), "counts row 0 is"),
        (dict(counts=np.full(8_000, -1)), "counts row 0 is"),
        (dict(counts=np.zeros(8_000)), "all counts are 0"),
    ],
)
def test_bad_options_are_refused(found, change, message):
    net, _, _, codes, _ = found
    with pytest.raises(ValueError, match=message): fit_targets(net, codes, **change)


def test_bad_rows_are_refused(found):
    net, _, _, codes, _ = found
    with pytest.raises(ValueError, match="a CausalNetwork is needed"): fit_targets(Oracle.from_network(net), codes)
    with pytest.raises(ValueError, match="4 rows for 5 nodes"): fit_targets(net, codes[:4])
    with pytest.raises(ValueError, match="node 'X1' is 3"):
        fit_targets(net, codes[:50] + np.array([0, 3, 0, 0, 0]) * (codes[:50, [1]] == 0))
    frame = net.frame(codes[:50]).astype(str)
    with pytest.raises(ValueError, match="node 'X2' is 'new'"): fit_targets(net, frame.assign(X2="new"))
    with pytest.raises(ValueError, match="'X2'"): fit_targets(net, frame.drop(columns="X2"))


def test_a_wider_target_is_offered_unless_its_gain_is_clearly_below_one():
    net = random_network(4, 3, max_parents=2, seed=3)
    rows = tabulate(net, any_rows(net, 3), np.ones(300))
    targets = [{}, {0: 0, 1: 1}, {1: 0, 2: 2, 3: 1}, {0: 2, 3: 0}]
    task = Task(rows, charges(rows, .6))
    grown = fitted(task, targets, ratios(rows, targets), np.ones(4))
    mix = grown.ratio @ grown.shares
    sides = []
    for rest in {key(one): one for target in targets for one in wider(target)}.values():
        ratio = ratios(rows, [rest])[:, 0] / mix
        gain = rows.frequency @ ratio
        error = math.sqrt(rows.frequency @ (ratio - 1) ** 2 / rows.total)  # of the gain, as a mean of rows
        sides.append((gain - 1) / error)
        assert (key(rest) in set(map(key, more_general(task, grown)))) == (gain > 1 - 3 * error)
    assert min(sides) < -3 < max(side for side in sides if side < 3)  # there are some that the rule has to tell apart


def test_the_second_start_excludes_the_least_set_states_and_later_ones_draw_some(monkeypatch):
    net = random_network(3, [3, 3, 1], seed=0)
    rows, seen = tabulate(net, any_rows(net, 0), np.ones(300)), []
    monkeypatch.setattr("dimm_nb.solvers.growing.grow", lambda task, grown, path: grown)
    monkeypatch.setattr("dimm_nb.solvers.growing.least_set", lambda task, grown: "least set")
    monkeypatch.setattr("dimm_nb.solvers.growing.refreshed", lambda _, grown, path, drawn: seen.append(drawn) or grown)
    search(rows, .6, starts=5, rng=np.random.default_rng(1))
    assert seen[0] == "least set" and len(seen) == 4 and len(set(seen[1:])) > 1
    assert all({i for i, _ in drawn} == {0, 1} for drawn in seen[1:])  # a node of one state has none to exclude


# as a method of attribution


def test_attribute_by_targets_finds_its_catalogue_from_rows():
    asia = load_network("asia")
    pair = Intervention({"smoke": "yes", "dysp": "yes"})
    rows, _ = sample_mixture(asia, Mixture({pair.name: 0.2}), 20_000, 1, [pair])
    found = attribute(asia, asia.frame(rows), method="targets")
    direct = fit_targets(asia, rows)
    assert list(found.shares.index) == [pair.name] == list(direct.mixture.weights.index)
    assert found.shares.share[pair.name] == direct.mixture.weights[pair.name] and found.dos == (dict(pair.do),)
    assert found.shares.share[pair.name] == pytest.approx(0.2, abs=0.02)
    later, _ = sample_mixture(asia, Mixture({pair.name: 0.1}), 50_000, 2, [pair])
    again = attribute(asia, Marginals.from_codes(asia, later), interventions=direct.interventions)
    assert again.shares.lower[pair.name] < 0.1 < again.shares.upper[pair.name]
    nothing = attribute(asia, asia.frame(asia.sample(5_000)), method="targets")
    assert not len(nothing.shares) and "Nothing is seen" in nothing.headline()[1] and nothing.summary()


def test_attribute_by_targets_refuses_what_it_cannot_use():
    asia = load_network("asia")
    rows = asia.frame(asia.sample(2_000))
    with pytest.raises(ValueError, match="'targets' needs rows"):
        attribute(asia, Marginals.from_codes(asia, asia.sample(2_000)), method="targets")
    with pytest.raises(ValueError, match="finds its catalogue itself"):
        attribute(asia, rows, method="targets", interventions=[{"smoke": "yes"}])
    with pytest.raises(ValueError, match="'targets' compares rows with the network itself"):
        attribute(asia, rows, rows, method="targets")


def test_single_precision_begins_where_there_are_too_many_targets_and_widens_the_bound(monkeypatch):
    net = random_network(4, 3, max_parents=2, seed=1)
    rows = tabulate(net, any_rows(net, 1), np.ones(300))
    mix = ratios(rows, [{}, {0: 1}, {1: 0, 2: 1}, {3: 2}, *({i: k} for i in range(4) for k in range(3))]).mean(axis=1)
    double = price_all(rows, mix, charges(rows, .6))
    for most, widened in ((4**4, 0.0), (4**4 - 1, 1e-5)):  # targets: (3 + 1)^4; states: 3^4, far fewer
        monkeypatch.setattr("dimm_nb.solvers.pricing.DOUBLE", most)
        found = price_all(rows, mix, charges(rows, .6)).bound
        assert found == pytest.approx(double.bound + widened * (1 + double.bound), rel=2e-6)
        assert widened or found == double.bound


def test_rows_that_the_stable_network_forbids_are_counted():
    net = CausalNetwork(["a", "b"], [["x", "y"]] * 2, [[], [0]], [[.5, .5], [[1, 0], [.5, .5]]])
    fit = fit_targets(net, np.array([[0, 0], [0, 1], [1, 1]]), counts=[500, 70, 300])
    assert fit.rows.to_dict() == {"all": 870, "distinct": 3, "impossible under P": 70}


def test_few_rows_are_enough_at_the_price_that_is_the_default(found):
    net, happened, pi, _, _ = found
    codes, _ = sample_mixture(net, pi, 150, seed=0, interventions=happened)
    assert len(fit_targets(net, codes).interventions) == 3 > len(fit_targets(net, codes, price=1.6).interventions)


# the experiment


@pytest.mark.parametrize("graph", ["scale-free", "erdos-renyi"])
def test_problems_are_of_the_published_kind(graph):
    for seed in range(12):
        n = (4, 8, 12)[seed % 3]
        trial = random_targets(graph, n, np.random.default_rng(seed))
        edges = sum(map(len, trial.net.parents))
        assert edges <= min(n * (n - 1) // 2, 5 * n) and trial.net.sizes == (3,) * n
        assert 4 <= len(trial.interventions) <= 15 and all(1 <= len(i.do) <= n for i in trial.interventions)
        assert len({frozenset(i.do.items()) for i in trial.interventions}) == len(trial.interventions)
        assert not any(trial.excluded[node] == state for i in trial.interventions for node, state in i.do.items())
        assert 0 < trial.truth.base_weight < 1


def test_metrics_of_targets_by_hand():
    trial = random_targets("scale-free", 4, np.random.default_rng(0))
    codes, _ = sample_mixture(trial.net, trial.truth, 2_000, 0, trial.interventions)
    fit = fit_targets(trial.net, codes)
    truth = {frozenset(): trial.truth.base_weight}
    truth |= {frozenset(i.do.items()): trial.truth.weights[i.name] for i in trial.interventions}
    answer = {frozenset(): fit.mixture.base_weight}
    answer |= {frozenset(i.do.items()): fit.mixture.weights[i.name] for i in fit.interventions}
    found = {one for one, share in answer.items() if share > 0.001}
    made_up, missed = found - set(truth), set(truth) - found
    got = target_metrics(trial, fit)
    assert got["recall"] == pytest.approx(1 - len(missed) / len(truth))
    assert got["precision"] == pytest.approx(1 - len(made_up) / len(found))
    error = [truth.get(one, 0) - answer.get(one, 0) for one in found | set(truth)]
    assert got["rmse"] == pytest.approx(np.sqrt(np.mean(np.square(error))))
    assert got["fn_rmse"] == pytest.approx(np.sqrt(np.mean([(truth[m] - answer.get(m, 0)) ** 2 for m in missed])))
    assert got["fp_rmse"] == pytest.approx(np.sqrt(np.mean([answer[m] ** 2 for m in made_up])) if made_up else 0)


def test_a_problem_on_alarm_sets_only_what_occurs():
    trial = alarm_targets(np.random.default_rng(1))
    assert len(trial.interventions) == 17 and trial.truth.weights.sum() == pytest.approx(0.8)
    base = Oracle.from_network(trial.net, []).base
    assert all(base[trial.net.index.get_loc((node, state))] > 1e-3 or trial.net.sizes[trial.net.names.index(node)] == 2
               for one in trial.interventions for node, state in one.do.items())
    assert max(len(one.do) for one in trial.interventions) <= 3
