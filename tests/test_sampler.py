"""The sampler against what can be worked out without it: integrals by quadrature, a posterior by enumeration."""
import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.special import betaln, gammaln, logsumexp

from dimm_nb.posterior.sampler import (
    MOVES,
    Prior,
    draw_between,
    followers,
    log_between,
    log_integral,
    log_tail,
    make_problem,
    run_chains,
)

# exp(c t − g t²/2) from lo to hi: flat, a line up and down, steep, a peak inside, beside it, far, nearly straight
REGIMES = [(0, 0, 0, 1), (0, 5, .2, .7), (0, -5, .2, .7), (0, -3000, 0, 1), (400, 120, 0, 1), (400, -100, 0, 1),
           (400, 600, 0, 1), (400, 120, -.5, .32), (400, 120, .28, 2), (1e4, -3e4, 0, 1), (2, 1, 1e-3, 6e-3),
           (2, 90, 1e-3, 6e-3), (2, -400, 1e-3, 6e-3), (90, 81, .9, .901)]


def law(g, c, lo, hi):
    "Log of the integral, and the distribution function, by the trapezoid rule."
    apart = np.r_[0, np.geomspace(1e-9, 1, 60_000)] * (hi - lo)  # dense at both ends, where a steep law has its mass
    t = np.unique(np.r_[np.linspace(lo, hi, 200_001), lo + apart, hi - apart])
    height = c * t - g * t**2 / 2
    density = np.exp(height - height.max())
    mass = np.r_[0, np.cumsum(np.diff(t) * (density[1:] + density[:-1]) / 2)]
    return height.max() + np.log(mass[-1]), lambda x: np.interp(x, t, mass / mass[-1])


@pytest.mark.parametrize("g, c, lo, hi", REGIMES)
def test_integrals_are_what_quadrature_finds(g, c, lo, hi):
    found = log_integral(float(g), float(c), float(lo), float(hi))
    assert found == pytest.approx(law(g, c, lo, hi)[0], abs=2e-5)


def test_an_empty_range_holds_nothing():
    assert log_integral(1., 0., .5, .5) == log_integral(0., 1., .6, .5) == -np.inf


# a sound sampler falls below 1e-6 in one of a million seeds; a law that passes is off by 4 % of its mass at the most
@pytest.mark.parametrize("g, c, lo, hi", REGIMES)
def test_draws_between_limits_have_their_law(g, c, lo, hi):
    rng = np.random.default_rng(0)
    drawn = [draw_between(rng, float(g), float(c), float(lo), float(hi)) for _ in range(4000)]
    assert lo <= min(drawn) and max(drawn) <= hi
    assert stats.kstest(drawn, law(g, c, lo, hi)[1]).pvalue > 1e-6


def test_tails_of_the_normal():
    for z in (-3., 0., 3., 24.9, 25.1, 40.):
        assert log_tail(z) == pytest.approx(stats.norm.logsf(z), abs=1e-5)
    for a, b in ((-1., 2.), (1., 3.), (-3., -1.), (-2., -1.99995), (5., 5.00005), (10., 11.), (-31., -30.)):
        near, far = sorted((abs(a), abs(b))) if a * b > 0 else (a, b)
        exact = stats.norm.logsf(near) + np.log1p(-np.exp(stats.norm.logsf(far) - stats.norm.logsf(near)))
        assert log_between(a, b) == pytest.approx(exact, abs=2e-4)


def simplex_nodes(k, n=28):
    "Gauss-Legendre points and weights on x ≥ 0, Σx ≤ 1, with more of them near 0, where the prior is steep."
    u, w = np.polynomial.legendre.leggauss(n)
    u, w = ((u + 1) / 2) ** 2, w / 2 * (u + 1)
    left, points, weight = np.ones(n**k), np.empty((n**k, k)), np.ones(n**k)
    for i, at in enumerate(np.indices((n,) * k).reshape(k, -1)):
        points[:, i] = left * u[at]
        weight *= w[at] * left
        left = left * (1 - u[at])
    return points, weight


def enumerated(gram, score, forbidden, prior):
    "The posterior's P(in) and mean shares, ρ and μ integrated out: every subset, by quadrature over its shares."
    C, (a, b), (shape, scale) = len(score), prior.inclusion, prior.scale
    logs, moments = [], []
    for inside in itertools.product((False, True), repeat=C):
        T = np.flatnonzero(inside)
        if set(forbidden) <= set(T): continue
        x, weight = simplex_nodes(len(T)) if len(T) else (np.zeros((1, 0)), np.ones(1))
        k, total = len(T), x.sum(axis=1)
        prior_log = (betaln(a + k, b + C - k) - betaln(a, b) + gammaln(shape + k) - gammaln(shape)
                     + shape * np.log(scale) - (shape + k) * np.log(scale + total))
        log = prior_log + x @ score[T] - ((x @ gram[np.ix_(T, T)]) * x).sum(axis=1) / 2 + np.log(weight)
        logs.append(logsumexp(log))
        mean = np.zeros(C)
        mean[T] = np.exp(log - logs[-1]) @ x
        moments.append(np.r_[np.array(inside, float), mean])
    return (np.exp(np.array(logs) - logsumexp(logs)) @ np.array(moments)).reshape(2, C)


@pytest.mark.parametrize("seed", [0, 1])
def test_four_interventions_are_sampled_as_enumerated(seed):
    "Two may not both be in, two are alike. Eight chains of 8,000 leave a standard error of .002, of the shares .001."
    rng = np.random.default_rng(seed)
    design = rng.normal(size=(6, 4)) * [3, 5, 4, 6]
    design[:, 2] = (design[:, 0] + .6 * design[:, 2]) * (-1) ** seed
    target = design @ [.3, 0, .1, .15] + rng.normal(size=6)
    gram, score, prior = design.T @ design, design.T @ target, Prior(inclusion=(1., 2.), scale=(2., .2))
    problem = make_problem(gram, score, np.array([0, 0, -1, -1]), np.array([2]))
    draws = run_chains(problem, np.array([.3, .0, .1, .1]), prior, 8, 8000, 200, seed)
    probability, share = enumerated(gram, score, (0, 1), prior)
    assert ((probability > .05) & (probability < .95)).sum() >= 3, "something to decide"
    for found in (draws.share > 0, draws.inclusion):
        np.testing.assert_allclose(found.mean(axis=(0, 1)), probability, atol=.012)
    for found in (draws.share, draws.inclusion * draws.slab):
        np.testing.assert_allclose(found.mean(axis=(0, 1)), share, atol=.004)
    assert not ((draws.share[..., 0] > 0) & (draws.share[..., 1] > 0)).any()
    single = draws.moves.steps[["one", "one, with followers"]]
    assert (single == 8 * 8200 * 4).all(), "2C steps a sweep with one toggle, half of them with followers"
    assert (draws.moves.changes > .1 * draws.moves.steps).all(), "every kind of step finds its way"


def test_chains_start_at_the_pilot_and_at_parts_of_it(monkeypatch):
    starts = []

    def noted(problem, start, *_):
        starts.append(start)
        return tuple(np.zeros((1, 2)) for _ in range(4)) + (np.zeros((len(MOVES), 2)),)

    monkeypatch.setattr("dimm_nb.posterior.sampler.run_chain", noted)
    pilot = np.linspace(.01, .1, 40)
    run_chains(None, pilot, chains=4, sweeps=1, warmup=0, rng=3)
    assert sum((start == pilot).all() for start in starts) == 2
    parts = [start for start in starts if (start != pilot).any()]
    assert all(np.isin(start, [0, *pilot]).all() and 5 < (start > 0).sum() < 35 for start in parts)
    assert len(parts) == 2 and (parts[0] != parts[1]).any()


def test_the_neighbours_of_what_is_toggled_follow_if_they_are_in_each_once_and_no_more_than_there_is_room_for():
    from types import SimpleNamespace

    near = np.array([[1, 2, 3, 4], [0, 2, 4, 5], [0, 1, 3, 4], [5, 4, 2, 1], [0, 1, 2, 3], [1, 3, 4, 0]])
    problem, state = SimpleNamespace(near=near), SimpleNamespace(x=np.array([.1, .1, .0, .2, .1, .3]))
    for toggled, room, expected in (([0], 6, [0, 1, 3, 4]), ([0, 1], 6, [0, 1, 3, 4, 5]), ([0], 3, [0, 1, 3]),
                                    ([2], 6, [2, 0, 1, 3, 4]), ([3], 1, [3])):
        move = SimpleNamespace(at=np.full(room, -1))
        move.at[:len(toggled)] = toggled
        m = followers.py_func(problem, state, move, len(toggled))
        assert move.at[:m].tolist() == expected and (move.at[m:] == -1).all()
