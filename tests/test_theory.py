"""Property tests of the geometry at one node."""
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.optimize import linprog

from dimm_nb.theory.line import crossings, last_crossing, node_matrix, nonnegative_t, on_line, segment


@st.composite
def nodes(draw, least=1e-3, min_states=2):
    "A node's natural distribution, each state above `least`, and its distribution in the data."
    K = draw(st.integers(min_states, 6))
    positive = st.lists(st.floats(least, 1), min_size=K, max_size=K)
    a = np.array(draw(positive))
    q = np.array(draw(st.lists(st.floats(0, 1), min_size=K, max_size=K))) + 1e-6
    return a / a.sum(), q / q.sum()


@given(nodes(), st.floats(-2, 2))
def test_the_line_solves_equation_5_and_6(node, t):
    a, q = node
    x = on_line(a, q - a, t)
    np.testing.assert_allclose(node_matrix(a) @ x, q - a, atol=1e-12)
    np.testing.assert_allclose((1 - x.sum()) * a + x, q, atol=1e-12)  # equation 3
    assert x.sum() == pytest.approx(t, abs=1e-12)


@given(nodes())
def test_the_matrix_loses_exactly_the_natural_proportions(node):
    a, _ = node
    singular = np.linalg.svd(node_matrix(a), compute_uv=False)
    assert singular[-1] < 1e-12 < singular[-2]
    np.testing.assert_allclose(node_matrix(a) @ a, 0, atol=1e-12)


@given(nodes())
def test_closed_form_is_the_only_nonnegative_crossing(node):
    a, q = node
    points = crossings(a, q - a)
    assert (np.diag(points) == 0).all()
    answer = on_line(a, q - a, nonnegative_t(a, q - a))
    valid = points[points.min(axis=1) >= -1e-9]
    assert len(valid)
    np.testing.assert_allclose(valid, np.broadcast_to(answer, valid.shape), atol=1e-5)  # 1e-9 / least a
    assert answer.min() >= -1e-12
    assert answer[last_crossing(a, q - a)] == pytest.approx(0, abs=1e-12)


@given(nodes())
@settings(max_examples=40)
def test_closed_form_agrees_with_a_linear_program(node):
    a, q = node
    least = linprog(np.ones(len(a)), A_eq=node_matrix(a), b_eq=q - a, bounds=(0, None), method="highs")
    assert least.status == 0
    assert nonnegative_t(a, q - a) == pytest.approx(least.fun, abs=1e-6)


@given(nodes())
def test_segment_holds_exactly_the_valid_shares(node):
    a, q = node
    lo, hi = segment(a, q - a)
    assert lo.sum() <= hi.sum() + 1e-12 and hi.sum() == pytest.approx(1)
    np.testing.assert_allclose(hi, q, atol=1e-12)
    if lo.sum() > 1e-3: assert on_line(a, q - a, lo.sum() - 1e-3).min() < 0


@given(nodes(min_states=2), st.floats(0, .5))
def test_a_state_that_never_occurs_is_read_off_and_never_decides(node, share):
    a, q = node
    a0, q0 = np.append(a, 0), np.append(q * (1 - share), share)
    x = on_line(a0, q0 - a0, nonnegative_t(a0, q0 - a0))
    assert x[-1] == share and x.min() >= -1e-12
    assert last_crossing(a0, q0 - a0) < len(a)
    points = crossings(a0, q0 - a0)
    assert np.isnan(points[-1]).all() and np.isfinite(points[:-1]).all()


def test_slack_decides_ties_in_favour_of_the_common_state():
    a, b = np.array([.6, .4 - 1e-9, 1e-9]), np.array([.2, -.2 + 1e-12, -1e-12])
    assert last_crossing(a, b) == 1
    assert last_crossing(a, b - [0, -1e-9, 1e-9]) == 2
    assert last_crossing(a, b - [0, -1e-9, 1e-9], slack=2e-9) == 1


def test_a_node_with_one_state_has_no_share():
    assert nonnegative_t([1.], [0.]) == 0
    assert not np.signbit(nonnegative_t([1.], [0.]))
    np.testing.assert_array_equal(segment([1.], [0.]), [[0.], [1.]])


@pytest.mark.parametrize("a, b, message", [
    ([.5, .6], [0, 0], "a must sum to 1, not 1.1"),
    ([1.5, -.5], [0, 0], "a must not be negative: state 1 has -0.5"),
    ([.5, .5], [.1, .1], "b must sum to 0"),
    ([.5, .5], [.1, -.1, 0], r"b must be one number a state, shape \(2,\)"),
    ([.5, .5], [np.nan, 0], "must be finite"),
    ([.5, np.inf], [0, 0], "must be finite"),
    ([[.5, .5]], [0, 0], "one probability a state"),
    ([], [], "one probability a state"),
])
@pytest.mark.parametrize("function", [nonnegative_t, last_crossing, crossings, segment, lambda a, b: on_line(a, b, .5)])
def test_malformed_input_is_named(function, a, b, message):
    with pytest.raises(ValueError, match=message): function(a, b)


def test_other_bad_arguments():
    with pytest.raises(ValueError, match="t must be finite"): on_line([.5, .5], [.1, -.1], np.nan)
    with pytest.raises(ValueError, match="tolerances"): nonnegative_t([.5, .5], [.1, -.1], slack=-1)
    with pytest.raises(ValueError, match="lower it"): nonnegative_t([.5, .5], [.1, -.1], zero=.5)
    with pytest.raises(ValueError, match="more than 1"): segment([.5, .5], [.7, -.7])
    with pytest.raises(ValueError, match="a must sum to 1"): node_matrix([.5, .2])
