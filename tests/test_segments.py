"""Many segments: the same answers as one by one, few false alarms over all, and what happens when workers go away."""
import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control

import dimm_nb.attribution.segments as segments_module
from dimm_nb import CountsWarning, Marginals, Mixture, attribute, attribute_many, load_network, sample_mixture
from dimm_nb.attribution.segments import SHARE_COLUMNS


@pytest.fixture(scope="module")
def asia():
    return load_network("asia")


def counted(asia, shares, rows, seed):
    return Marginals.from_codes(asia, sample_mixture(asia, Mixture(shares), rows, seed=seed)[0])


@pytest.fixture(scope="module")
def counts(asia):
    shares = {"a": {("smoke", "yes"): .2}, "b": {}, "c": {("bronc", "no"): .1}}
    return {name: counted(asia, one, 5_000, seed) for seed, (name, one) in enumerate(shares.items())}


@pytest.fixture(scope="module")
def many(asia, counts):
    return attribute_many(asia, counts, counted(asia, {}, 20_000, 9), n_jobs=1)


def test_segments_have_benjamini_and_hochberg_s_adjusted_p_values(many):
    p = many.segments.p_value.to_numpy()
    rank = p.argsort().argsort() + 1
    assert len(p) == 3 and len(set(p)) == 3
    by_definition = [min(len(p) * p[rank >= k] / rank[rank >= k]) for k in rank]
    np.testing.assert_allclose(many.segments.q_value, by_definition)
    np.testing.assert_allclose(many.segments.q_value, false_discovery_control(p))


def test_each_segment_s_answer_is_the_one_it_has_by_itself(asia, counts, many):
    for name, one in counts.items():
        alone = attribute(asia, one, counted(asia, {}, 20_000, 9))
        pd.testing.assert_frame_equal(many.shares.loc[[name]].droplevel("segment"), alone.shares[SHARE_COLUMNS])
        line = many.segments.loc[[name]].iloc[0]
        assert (line.untouched, line.fit, line.converged) == (alone.base_weight, alone.p_value, alone.converged)
        assert line.rows == 5_000 and line.notes == alone.notes
    assert many.converged and list(many.segments.index) == list(counts)
    assert list(many.segments.moved) == [True, False, True]


def test_a_claim_counts_only_in_a_segment_that_has_moved(many):
    claims = many.largest()
    assert [label[1:] for label in claims.index] == [("smoke", "yes"), ("bronc", "no")]
    assert "2 of 3 segments have moved" in many.summary() and "Benjamini–Hochberg" in many.notes[0]
    assert len(many.largest(1)) == 1 and many.to_frame() is many.shares
    still = segments_module.AttributionMany(many.shares, many.segments.assign(moved=False), many.skipped, .95, ())
    assert still.largest().empty


def test_of_quiet_segments_few_are_said_to_have_moved(asia):
    quiet = {k: counted(asia, {}, 3_000, 100 + k) for k in range(30)}
    found = attribute_many(asia, quiet, counted(asia, {}, 100_000, 7), n_jobs=1, method="dimm")
    assert (found.segments.p_value < .3).any() and not found.segments.moved.any()  # Bonferroni within, and over all


def test_what_cannot_be_read_is_named_and_stops_nobody(asia, counts):
    bad = {"empty": {node: dict.fromkeys(states, 0) for node, states in zip(asia.names, asia.states)},
           "gone": "/nowhere/counts.csv", **counts}
    with pytest.warns(CountsWarning, match="2 of 5 segments have no answer, such as empty: the period is empty"):
        found = attribute_many(asia, bad, n_jobs=1, method="dimm")
    assert list(found.skipped.index) == ["empty", "gone"] and list(found.segments.index) == list(counts)
    with pytest.raises(ValueError, match="no segment can be read; empty: the period is empty"):
        attribute_many(asia, {"empty": bad["empty"]}, n_jobs=1)
    with pytest.raises(ValueError, match="named by several parts"): attribute_many(asia, {("a", 1): counts["a"]})
    with pytest.raises(ValueError, match="there are no segments"): attribute_many(asia, {})
    with pytest.raises(ValueError, match="give {segment: counts}, not list"): attribute_many(asia, [1])


def test_lost_workers_keep_what_is_done_and_the_rest_is_done_here(asia, counts, monkeypatch):
    whole, begun = attribute_many(asia, counts, method="dimm", n_jobs=1), []

    class Lost:
        def __init__(self, *_, **__): pass

        def __call__(self, tasks):
            function, arguments, _ = next(iter(tasks))
            begun.append([name for name, _ in arguments[1]])
            yield function(*arguments)
            raise ConnectionError("the scheduler is gone")

    monkeypatch.setattr(segments_module, "Parallel", Lost)
    monkeypatch.setattr(segments_module, "BATCHES", 1)
    monkeypatch.setattr(segments_module, "cpu_count", lambda: 3)
    done = []
    monkeypatch.setattr(segments_module, "answer", lambda net, counts, *rest, **options: done.append(1) or
                        segments_module_answer(net, counts, *rest, **options))
    found = attribute_many(asia, counts, method="dimm")
    assert begun == [["a"]] and len(done) == 3  # the first by a worker, two here, none twice
    pd.testing.assert_frame_equal(found.shares, whole.shares)
    assert "lost (ConnectionError): 2 segments were done again here" in found.notes[1]


segments_module_answer = segments_module.answer


def test_a_cluster_gives_the_same_answers(asia, counts):
    distributed = pytest.importorskip("distributed")
    import joblib

    here = attribute_many(asia, counts, method="dimm", n_jobs=1)
    options = dict(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None)
    with (distributed.LocalCluster(**options) as cluster, distributed.Client(cluster),
          joblib.parallel_config(backend="dask")):
        there = attribute_many(asia, counts, method="dimm")
    pd.testing.assert_frame_equal(there.shares, here.shares)
    assert there.notes == here.notes
