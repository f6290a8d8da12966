"""What is not a do: Soft against enumeration and against dos, which mechanism changed, the stories; bad input."""
import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import kstest

from dimm_nb import (
    CausalNetwork,
    Intervention,
    Marginals,
    Mixture,
    Oracle,
    Soft,
    attribute,
    changed_mechanism,
    fit_em,
    fit_posterior,
    load_network,
    mixture_marginals,
    random_network,
    sample_mixture,
)
from dimm_nb.mixture.mixture import canonical
from dimm_nb.network.oracle import read_catalogue
from dimm_nb.posterior.evidence import gather_evidence
from dimm_nb.posterior.mechanisms import atoms
from dimm_nb.posterior.stories import length, shortest, weigh
from dimm_nb.solvers.em import joint_probabilities, likelihood

seeds = st.integers(0, 10_000)
few = settings(max_examples=15, deadline=None)


def every_row(net):
    return np.array(list(itertools.product(*map(range, net.sizes))))


def new_table(net, j, seed, zeros=False):
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.ones(net.sizes[j]), size=net.cpts[j].shape[:-1])
    if zeros:
        table = np.where(table < 0.2, 0.0, table)
        table[..., 0] += 1e-3
    return table / table.sum(axis=-1, keepdims=True)


def enumerated(net, weights):
    return np.concatenate([np.bincount(every_row(net)[:, j], weights, k) for j, k in enumerate(net.sizes)])


def by_hand(net, j, table):
    "P of every row with node j's factor replaced."
    rows = every_row(net)
    out = np.ones(len(rows))
    for i in range(len(net.names)):
        cpt = table if i == j else net.cpts[i]
        out *= cpt[tuple(rows[:, v] for v in (*net.parents[i], i))]
    return out


@few
@given(seeds)
def test_the_oracle_of_a_new_table_is_what_enumeration_says(seed):
    net = random_network(5, [2, 3, 2, 3, 2], max_parents=3, seed=seed)
    softs = [Soft(name, new_table(net, j, seed + j)) for j, name in enumerate(net.names)]
    mixed = [{net.names[0]: net.states[0][1]}, *softs, {net.names[1]: net.states[1][2], net.names[3]: net.states[3][0]}]
    oracle = Oracle.from_network(net, mixed)
    for j, soft in enumerate(softs):
        truth = enumerated(net, by_hand(net, j, soft.table))
        np.testing.assert_allclose(oracle.do[1 + j], truth, atol=1e-12)
        np.testing.assert_allclose(enumerated(net, np.exp(net.do(soft).log_prob(every_row(net)))), truth, atol=1e-12)
    plain = Oracle.from_network(net, [mixed[0], mixed[-1]])
    np.testing.assert_array_equal(oracle.do[[0, -1]], plain.do)
    np.testing.assert_array_equal(oracle.base, plain.base)


def test_nodes_out_of_reach_stay_exactly_in_a_network_of_several_parts():
    net = load_network("andes")
    j = net.names.index("GOAL_2")
    oracle = Oracle.from_network(net, [Soft("GOAL_2", new_table(net, j, 0)), {"GOAL_2": net.states[j][0]}])
    moved = [np.any(oracle.do != oracle.base, axis=0)[s].any() for s in net.slices]
    assert any(moved) and not all(moved)
    still = (oracle.do[1] == oracle.base).nonzero()[0]
    np.testing.assert_array_equal(oracle.do[0][still], oracle.base[still])


@few
@given(seeds)
def test_one_hot_rows_are_a_do_and_one_row_for_all_is_a_mixture_of_dos(seed):
    net = random_network(4, 3, max_parents=2, seed=seed)
    j = seed % 4
    q = np.random.default_rng(seed).dirichlet(np.ones(3))
    dos = [Intervention({net.names[j]: state}) for state in net.states[j]]
    oracle = Oracle.from_network(net, [*dos, Soft(net.names[j], np.eye(3)[1], "hot"), Soft(net.names[j], q, "random")])
    np.testing.assert_allclose(oracle.do[3], oracle.do[1], atol=1e-12)
    np.testing.assert_allclose(oracle.do[4], q @ oracle.do[:3], atol=1e-12)
    rows = every_row(net)
    joint = joint_probabilities(net, rows, [*dos, Soft(net.names[j], q, "random")])
    np.testing.assert_allclose(joint[:, 3], joint[:, :3] @ q, atol=1e-12)


@few
@given(seeds, st.booleans())
def test_the_likelihood_of_a_row_under_a_new_table(seed, zeros):
    net = random_network(4, [2, 3, 2, 2], max_parents=2, seed=seed)
    cpts = [new_table(net, j, seed + 9 * j, zeros) for j in range(4)]
    net = CausalNetwork(net.names, net.states, net.parents, cpts)
    soft = Soft(net.names[2], new_table(net, 2, seed + 1, zeros))
    pair = {net.names[2]: net.states[2][0], net.names[3]: net.states[3][1]}
    catalogue = [{net.names[0]: net.states[0][1]}, soft, pair]
    rows = every_row(net)
    like, allowed = likelihood(net, rows, np.ones(len(rows)), read_catalogue(net, catalogue)[0])
    got = (like.ratio.toarray() if not isinstance(like.ratio, np.ndarray) else like.ratio)
    got = got * np.exp(like.log_scale)[:, None]
    truth = np.exp(np.column_stack([n.log_prob(rows) for n in (*(net.do(c) for c in catalogue), net)]))
    np.testing.assert_allclose(truth[:, 1], by_hand(net, 2, soft.table), atol=1e-12)
    np.testing.assert_allclose(got, truth[allowed], rtol=1e-9, atol=1e-15)
    assert not truth[~allowed].any()


@pytest.fixture(scope="module")
def changed():
    "Sachs with a new table at PKA in 30 % of the rows, and a do in 10 %."
    net = load_network("sachs")
    j = net.names.index("Erk")
    soft = Soft("Erk", net.cpts[j][::-1], "new wiring")
    catalogue = [soft, {"PIP2": "HIGH"}, {"Jnk": "LOW"}]
    truth = Mixture({"new wiring": 0.3, "PIP2=HIGH": 0.1})
    codes, labels = sample_mixture(net, truth, 50_000, seed=0, interventions=catalogue)
    return net, catalogue, truth, codes, labels


def test_samples_are_of_the_new_table(changed):
    net, catalogue, _, codes, labels = changed
    inside = codes[labels == 0]
    assert len(inside) == pytest.approx(15_000, abs=4 * np.sqrt(50_000 * 0.3 * 0.7))
    j = net.names.index("Erk")
    at = tuple(inside[:, p] for p in net.parents[j])
    for k in range(net.sizes[j]):
        expected = catalogue[0].table[at][:, k]
        assert abs((inside[:, j] == k).sum() - expected.sum()) < 5 * np.sqrt((expected * (1 - expected)).sum())


def test_em_and_posterior_find_a_new_table_in_the_catalogue(changed):
    net, catalogue, truth, codes, _ = changed
    em = fit_em(net, codes, interventions=catalogue)
    error = np.sqrt(0.3 * 0.7 / len(codes))
    assert abs(em.mixture.weights["new wiring"] - 0.3) < 20 * error and em.mixture.weights["Jnk=LOW"] < 20 * error
    fit = fit_posterior(net, Marginals.from_codes(net, codes), interventions=catalogue)
    assert list(fit.mixture.weights.index) == ["new wiring", "PIP2=HIGH", "Jnk=LOW"]
    lower, upper = fit.interval(0.999).loc["new wiring", ["lower", "upper"]]
    assert lower <= 0.3 <= upper and fit.verdict["PIP2=HIGH"] == "supported" and fit.p_value > 1e-3
    exact = mixture_marginals(Oracle.from_network(net, catalogue), truth)
    assert np.abs(exact.p - Marginals.from_codes(net, codes).p).max() < 5 * np.sqrt(0.25 / len(codes))


def test_a_catalogue_with_a_new_table_keeps_its_shares_in_canonical_form(changed):
    net, catalogue, truth, *_ = changed
    again = canonical(net, truth, catalogue)
    assert again.weights["new wiring"] == 0.3 and again.weights["Jnk=LOW"] == 0


@pytest.mark.parametrize(
    "table, message",
    [
        ([0.5, 0.6], "sums to 1.1, not to 1"),
        ([1.5, -0.5], "a probability is from 0 to 1"),
        ([], "must be numbers"),
        (0.5, "must be numbers"),
        ([np.nan, 1.0], "must be numbers"),
        ("LOW", "must be numbers"),
        ([[0.5, 0.5], [1.0]], "must be numbers"),
        ([0.5, 0.5], "has shape (2,); its parents Mek, PKA ask for (3, 3, 3), or (3,)"),
        ([[0.2, 0.3, 0.5]] * 3, "has shape (3, 3)"),
    ],
)
def test_a_table_that_is_none_is_refused_in_words(table, message):
    net = load_network("sachs")
    with pytest.raises(ValueError) as caught:
        Oracle.from_network(net, [Soft("Erk", table)])
    assert message in str(caught.value) and "'Erk'" in str(caught.value)


def test_unknown_nodes_and_names_used_twice():
    net = load_network("sachs")
    with pytest.raises(ValueError, match="no node 'Erkk'; did you mean 'Erk'"):
        Oracle.from_network(net, [Soft("Erkk", [0.2, 0.3, 0.5])])
    with pytest.raises(ValueError, match="two interventions are named 'Erk changed'"):
        Oracle.from_network(net, [Soft("Erk", [0.2, 0.3, 0.5]), Soft("Erk", [0.3, 0.2, 0.5])])
    with pytest.raises(ValueError, match="do the same"):
        fit_em(net, net.sample(100), interventions=[Soft("Erk", [0.2, 0.3, 0.5]), Soft("Erk", [0.2, 0.3, 0.5], "b")])
    with pytest.raises(ValueError, match="put it in brackets"):
        Oracle.from_network(net, Soft("Erk", [0.2, 0.3, 0.5]))


def test_tables_of_two_nodes_under_a_new_table():
    net = random_network(4, 3, max_parents=2, seed=1)
    soft = Soft(net.names[2], new_table(net, 2, 5))
    oracle = Oracle.from_network(net, [soft, {net.names[0]: net.states[0][0]}], tables="edges")
    rows, p = every_row(net), by_hand(net, 2, soft.table)
    for (a, b), table in zip(oracle.tables, oracle.table_do):
        i, j = net.names.index(a), net.names.index(b)
        expected = np.bincount(rows[:, i] * 3 + rows[:, j], p, 9).reshape(3, 3)
        np.testing.assert_allclose(table[0], expected, atol=1e-12)


# which mechanism changed


@few
@given(seeds)
def test_atoms_are_what_surgery_of_one_row_says_and_add_up_to_dos(seed):
    net = random_network(4, [2, 3, 2, 3], max_parents=2, seed=seed)
    found, oracle = atoms(net), Oracle.from_network(net)
    for i, effects in found.items():
        K = net.sizes[i]
        flat = net.cpts[i].reshape(-1, K)
        for u in range(len(flat)):
            for a in range(K):
                table = flat.copy()
                table[u] = np.eye(K)[a]
                moved = enumerated(net, by_hand(net, i, table.reshape(net.cpts[i].shape))) - oracle.base
                np.testing.assert_allclose(effects[:, u * K + a], moved, atol=1e-12)
        cells = effects.reshape(len(net.index), -1, K)
        np.testing.assert_allclose(cells.sum(axis=1), oracle.effects[:, net.slices[i]], atol=1e-12)


def test_a_large_table_is_passed_over_and_said(monkeypatch):
    monkeypatch.setattr("dimm_nb.posterior.mechanisms.MOST_CELLS", 5)
    net = random_network(4, 2, max_parents=2, seed=4)
    rows = net.sample(5_000)
    answer = changed_mechanism(net, Marginals.from_codes(net, rows))
    left_out = [name for name, cpt in zip(net.names, net.cpts) if cpt.size > 5]
    assert left_out and any(", ".join(left_out) in note for note in answer.notes)
    assert set(answer.to_frame().index) == set(net.names) - set(left_out)


def rewired(net, name, seed, share, rows=100_000):
    soft = Soft(name, new_table(net, net.names.index(name), seed), "new")
    codes, _ = sample_mixture(net, Mixture({"new": share}), rows, seed=[seed, 1], interventions=[soft])
    return soft, Marginals.from_codes(net, codes)


@pytest.fixture(scope="module")
def sachs():
    return load_network("sachs")


@pytest.mark.parametrize("name", ["Erk", "PIP3", "Raf", "PKA"])
def test_the_node_whose_mechanism_changed_is_found(sachs, name):
    soft, seen = rewired(sachs, name, 5, 0.3)
    answer = changed_mechanism(sachs, seen)
    assert answer.node == name and answer.p_value > 1e-3 and 0 < answer.least_share <= 0.3 and answer.nothing > 100
    assert name not in answer.runners_up and answer.nodes.index[0] == name and answer.nodes.worse.iloc[0] == 0
    change = 0.3 * (soft.table - sachs.cpts[sachs.names.index(name)]).ravel()
    covered = (answer.change.lower - 1e-9 <= change) & (change <= answer.change.upper + 1e-9)
    assert covered.mean() > 0.7  # intervals of cells that hang together: one table is one draw
    assert answer.summary() == repr(answer) and name in answer.summary() and answer.converged
    assert answer.mixture.weights[f"{name} changed"] == answer.least_share
    rows = answer.change.groupby(level=list(range(answer.change.index.nlevels - 1))).change.sum()
    assert rows.abs().max() < 0.5  # rows of D sum to 0, but for what is cut at 0 and 1


def test_nothing_changed_is_said_and_the_p_value_is_uniform(sachs):
    p = []
    for seed in range(40):
        answer = changed_mechanism(sachs, Marginals.from_codes(sachs, sachs.sample(20_000, seed)))
        assert answer.nothing < np.log(20) and len(answer.largest()) == 0 and "Nothing speaks" in answer.summary()
        p.append(answer.p_value)
    assert kstest(p, "uniform").pvalue > 1e-3


def test_two_changed_nodes_are_not_one(sachs):
    softs = [Soft("PIP3", new_table(sachs, sachs.names.index("PIP3"), 1), "a"),
             Soft("Raf", new_table(sachs, sachs.names.index("Raf"), 2), "b")]
    codes, _ = sample_mixture(sachs, Mixture({"a": 0.3, "b": 0.3}), 100_000, 0, softs)
    answer = changed_mechanism(sachs, Marginals.from_codes(sachs, codes))
    assert answer.p_value < 1e-6 and "does not explain" in " ".join(answer.notes)


def test_the_least_share_is_what_the_counts_ask_for():
    "A node without parents and two states: D = s(T′ − T) is known, and T′ may be one-hot."
    net = CausalNetwork(["a"], [["0", "1"]], [()], [[0.8, 0.2]])
    n = 1_000_000
    seen = Marginals(net.index, [0.6, 0.4], [n])
    answer = changed_mechanism(net, seen)
    sd = np.sqrt(0.24 / n)
    assert answer.least_share == pytest.approx((0.2 - 1.6449 * sd) / 0.8, abs=2e-4)
    assert answer.change.change.to_numpy() == pytest.approx([-0.2, 0.2], abs=1e-3) and answer.change.known.all()


def test_what_changed_mechanism_refuses(sachs):
    seen = Marginals.from_codes(sachs, sachs.sample(100))
    with pytest.raises(ValueError, match="between 0 and 1"):
        changed_mechanism(sachs, seen, level=1.5)
    with pytest.raises(ValueError, match="lack node"):
        changed_mechanism(load_network("asia"), seen)


# stories


@few
@given(seeds)
def test_the_search_finds_the_shortest_story_of_a_small_catalogue(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(10, 6)) * rng.choice([3, 30])
    t = X[:, : rng.integers(0, 4)].sum(axis=1) * 0.2 + rng.normal(size=10)
    every = min(length(t, X, some)[0] for k in range(7) for some in itertools.combinations(range(6), k))
    nats, inside, shares = shortest(t, X, ([], list(range(6))))
    assert nats <= every + 0.7 and nats == length(t, X, inside)[0] and (shares >= 0).all()  # a factor of two at most


def stories_of(net, seen):
    oracle = Oracle.from_network(net)
    return weigh(net, oracle, gather_evidence(net, oracle, seen))


def test_stories_of_nothing_of_dos_and_of_a_mechanism(sachs):
    still = stories_of(sachs, Marginals.from_codes(sachs, sachs.sample(100_000, 1)))
    assert still.told.kind == "nothing" and still.alike is None
    codes, _ = sample_mixture(sachs, Mixture({("PKA", "LOW"): 0.1, ("Mek", "HIGH"): 0.2}), 100_000, 2)
    dos = stories_of(sachs, Marginals.from_codes(sachs, codes))
    assert dos.told.kind == "interventions" and {"PKA=LOW", "Mek=HIGH"} <= {name for name, _ in dos.told.shares}
    _, seen = rewired(sachs, "PKA", 5, 0.3)
    changed = stories_of(sachs, seen)
    assert changed.told.kind == "mechanism" and changed.told.node == "PKA" and not changed.same
    assert changed.to_frame().worse.is_monotonic_increasing and changed.to_frame().worse.iloc[0] == 0


def test_a_changed_root_is_told_as_interventions(sachs):
    codes, _ = sample_mixture(sachs, Mixture({"new": 0.5}), 100_000, 0, [Soft("PKC", [0.1, 0.1, 0.8], "new")])
    found = stories_of(sachs, Marginals.from_codes(sachs, codes))
    assert found.told.kind == "interventions" and (found.alike is None or found.alike.node == "PKC")


def test_a_mechanism_beside_an_intervention_is_told_as_both(sachs):
    soft = Soft("PKA", new_table(sachs, sachs.names.index("PKA"), 5), "new")
    catalogue = [soft, {"Mek": "HIGH"}]
    codes, _ = sample_mixture(sachs, Mixture({"new": 0.3, "Mek=HIGH": 0.2}), 100_000, 3, catalogue)
    found = stories_of(sachs, Marginals.from_codes(sachs, codes))
    assert found.told.kind == "both" and found.told.node == "PKA"
    assert dict(found.told.shares)["Mek=HIGH"] == pytest.approx(0.2, abs=0.03)


# in an attribution


def test_an_attribution_tells_the_shorter_story_and_keeps_the_others():
    net = load_network("alarm")
    soft = Soft("HR", new_table(net, net.names.index("HR"), 0), "new")
    codes, _ = sample_mixture(net, Mixture({"new": 0.3}), 100_000, 0, [soft])
    found = attribute(net, Marginals.from_codes(net, codes))
    said = found.headline()[1]
    assert "One change in how HR depends on CATECHOL" in said and "nats longer" in said
    rows = found.to_dict()["stories"]
    assert [row["worse"] for row in rows] == sorted(row["worse"] for row in rows) and rows[0]["worse"] == 0
    assert {row["story"] for row in rows} >= {"nothing", "interventions", "mechanism"}
    assert [row["node"] for row in rows if row["told"]] == ["HR"]


def test_an_attribution_of_dos_is_told_as_dos_with_what_it_may_as_well_be(sachs):
    codes, _ = sample_mixture(sachs, Mixture({("PKC", "HIGH"): 0.2}), 100_000, 0)
    found = attribute(sachs, Marginals.from_codes(sachs, codes))
    assert found.stories.told.kind == "interventions" and "change in how" not in found.headline()[1]
    notes = [note for note in found.notes if "cannot be told apart" in note]
    assert (found.stories.alike is None) == (not notes)
    still = attribute(sachs, Marginals.from_codes(sachs, sachs.sample(50_000, 1)))
    assert still.stories.told.kind == "nothing" and "Nothing is seen" in still.headline()[1]


def test_stories_are_weighed_only_where_the_posterior_has_every_intervention(sachs):
    seen = Marginals.from_codes(sachs, sachs.sample(10_000, 1))
    assert attribute(sachs, seen, method="dimm").stories is None
    few = attribute(sachs, seen, interventions=[{"PKC": "HIGH"}])
    assert few.stories is None and few.to_dict()["stories"] == []


def test_counts_with_tables_of_two_are_attributed_and_read_without_them():
    net = load_network("asia")
    codes = net.sample(20_000, 1)
    wide, plain = (Marginals.from_codes(net, codes, tables=tables) for tables in ("edges", ()))
    assert wide.pairs and attribute(net, wide).stories is None
    assert changed_mechanism(net, wide).nothing == changed_mechanism(net, plain).nothing
