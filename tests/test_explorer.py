"""The explorer without a browser: typed numbers, impossible settings, changes in quick succession, solvers that die."""
import gc
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from dimm_nb.explorer.explorer import Explorer, Job, explore, numbers_html
from dimm_nb.explorer.scene import (
    SOLVERS,
    SettingError,
    Settings,
    aggregates,
    checked,
    draw_curve,
    draw_stems,
    look,
    true_mixture,
)
from dimm_nb.network.network import CausalNetwork, random_network
from dimm_nb.theory.live import Number, alert, picture, read_number, spelled
from dimm_nb.use.cli import main

SMALL = Settings("asia", 4, rows=1_000)


# typed numbers


@given(st.floats(0, 1e9))
def test_a_number_reads_back_as_it_is_spelled(value):
    assert read_number(spelled(value), "x", 0, 1e9) == pytest.approx(value, rel=1e-5)


@given(st.text())
def test_any_text_is_a_number_in_bounds_or_a_message(text):
    try:
        assert 1 <= read_number(text, "x", 1, 5) <= 5
    except ValueError as error:
        assert str(error).startswith("x is a number from 1 to 5, not ")


@given(st.text())
def test_messages_show_text_and_run_none(text):
    shown = alert(text)
    assert shown.count("<") == (2 if text else 0)


@given(st.floats(100, 1e6), st.text(max_size=8))
def test_bad_text_leaves_the_value_alone(value, text):
    number = Number("N", 1000, 100, 1e6, step=0.5, log=True, whole=True)
    number.accept(round(value))
    number.box.value = text + "?"
    assert number.value == round(value) and "N is a whole number" in number.message.value


# settings


@pytest.mark.parametrize(
    "wrong",
    [
        dict(n_interventions=-1),
        dict(n_interventions=2.5),
        dict(base_weight=1),
        dict(rows=0),
        dict(rows=np.nan),
        dict(rows=1.5),
        dict(lam=np.nan),
        dict(lam=np.inf),
        dict(eps=0),
        dict(solver="magic"),
        dict(seed=2**32),
        dict(seed=0.5),
    ],
)
def test_a_setting_that_cannot_be_names_its_control(wrong):
    with pytest.raises(SettingError) as caught:
        checked(replace(SMALL, **wrong))
    assert caught.value.control in wrong


@pytest.mark.parametrize("solver", ["em", "posterior"])
def test_exact_marginals_have_no_rows(solver):
    with pytest.raises(SettingError, match="choose a finite N"):
        checked(replace(SMALL, rows=np.inf, solver=solver))


@pytest.mark.parametrize("solver", SOLVERS.values())
def test_every_solver_has_a_scene(solver):
    scene = look(replace(SMALL, solver=solver))
    assert scene.scores.notna().all() and scene.estimate.index.equals(scene.truth.index)
    assert picture(draw_stems(scene)) and numbers_html(scene, scene.scores).count("same") == 4


def test_no_interventions_at_all():
    scene = look(replace(SMALL, n_interventions=0))
    assert scene.truth.sum() == 0 and picture(draw_stems(scene)) and picture(draw_curve(scene, {}))


def test_mixture_and_rows_have_streams_of_their_own():
    one, two = replace(SMALL, rows=100), replace(SMALL, rows=3_162)
    assert true_mixture(one) is true_mixture(two)
    assert not np.array_equal(aggregates(one).p, aggregates(two).p)


def test_labels_that_look_like_formulas_are_drawn_as_text():
    net = CausalNetwork(
        ("$x", "<b>"),
        (("a$", "$\\frac"), ("_", "^")),
        ((), (0,)),
        (np.array([0.4, 0.6]), np.array([[0.1, 0.9], [0.7, 0.3]])),
    )
    assert picture(draw_stems(look(Settings(net, 1, rows=1_000))))


# the page


def shows(page: Explorer) -> bool:
    page.settle()
    return page.shares.value == picture(draw_stems(look(page.settings)))


def test_a_network_of_ones_own():
    net = random_network(4, 3, 2, seed=0)
    page = explore(net)
    assert shows(page) and page.settings.network is net and page.settings.n_interventions == 8


def test_changes_in_quick_succession_end_at_the_last():
    page = explore("asia", n_interventions=3)
    for lam in np.linspace(0, 1, 21):
        page.controls["lam"].accept(float(lam))
    assert shows(page) and page.settings.lam == 1


def test_two_explorers_do_not_share_their_state():
    one, two = explore("asia", n_interventions=3), explore("asia", n_interventions=3)
    one.controls["lam"].accept(0.5)
    assert shows(one) and shows(two) and two.settings.lam == 0.1


def test_the_number_of_interventions_follows_the_network():
    page = explore("asia", n_interventions=8)
    page.settle()
    page.controls["network"].children[0].value = "cancer"
    page.settle()
    assert page.settings.n_interventions == 5 and shows(page)


def test_nothing_is_left_behind():
    page = explore("asia", n_interventions=3)

    def turn(times):
        for k in range(times):
            page.controls["seed"].accept(k % 3)
            page.settle()
        gc.collect()
        return sum(type(thing).__name__ == "Figure" for thing in gc.get_objects())

    assert turn(3) == turn(6)


# jobs


def test_a_solver_that_is_killed_from_outside_says_so():
    told = []
    job = Job(replace(Settings(), solver="slsqp"), lambda *step: told.append(step))
    os.kill(job.process.pid, signal.SIGKILL)
    job.thread.join(60)
    assert "ended without an answer" in told[-1][-1]


def test_a_solver_that_refuses_says_why():
    told = []
    job = Job(replace(SMALL, rows=0, solver="em"), lambda *step: told.append(step))
    job.thread.join(60)
    assert told[-1][-1].startswith("n is a number of rows")


def test_a_change_cancels_the_solver_that_runs():
    page = explore("alarm")
    page.settle()
    page.controls["solver"].children[0].value = "slsqp"
    page.settle()
    page.runner.run.click()
    job = page.runner.job
    page.controls["lam"].accept(0.2)
    job.thread.join(30)  # it waits for the process; two threads that wait would race for its end
    assert not job.process.is_alive()
    page.settle()
    assert "shown: DIMM, conic" in page.runner.note.value


# the command


@pytest.mark.parametrize(
    "words, said",
    [
        (["app", "alram"], "did you mean 'alarm'?"),
        (["app", "pigs"], "a page takes up to 500"),
        (["app", "--port", "0"], "--port"),
        (["app", "--jobs", "0"], "--jobs"),
    ],
)
def test_dimm_app_refuses_in_one_line(words, said, capsys):
    assert main(words) != 0
    error = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("dimm: warning:")]
    assert len(error) == 1 and said in error[0]
