"""The page of `dimm app` in a real browser, and the explorer in JupyterLab: Playwright and the system's Chromium."""
import contextlib
import gzip
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from dimm_nb.explorer.scene import Settings, draw_stems, look
from dimm_nb.explorer.tasks import MOST_BYTES, scene_facts
from dimm_nb.mixture.marginals import write_counts
from dimm_nb.mixture.mixture import random_mixture, sample_mixture
from dimm_nb.network.axis import Marginals
from dimm_nb.network.network import load_network
from dimm_nb.theory.live import picture

BIN = Path(sys.executable).parent
CHROMIUM = next((path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path), None)
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run"]
SHOTS = os.environ.get("DIMM_SHOTS")  # a folder for screenshots
START = Settings("asia", 8, rows=10_000)
# the console names every question that the server refuses, as 400, 403 or 404, or puts off while it is busy, as 503
EXPECTED = re.compile("status of (4|503)")

playwright_api = pytest.importorskip(
    "playwright.sync_api", reason="browser tests need Playwright: pip install playwright"
)
expect = playwright_api.expect
expect.set_options(timeout=120_000)
Axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="browser tests need Chromium: apt-get install chromium")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(command, answers, folder):
    "A server, until the block ends; `answers` is the address to wait for."
    env = os.environ | {
        "HOME": str(folder),
        "JUPYTER_CONFIG_DIR": str(folder),
        "JUPYTER_DATA_DIR": str(folder / "data"),
    }
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder, env=env
    )
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", answers)) == 0:
                    break
            assert process.poll() is None, process.stdout.read()
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    "`dimm app`, and the address that it prints."
    port = free_port()
    with running([BIN / "dimm", "app", "asia", "--port", str(port)], port, tmp_path_factory.mktemp("app")) as process:
        yield process.stdout.readline().strip()


@pytest.fixture(scope="module")
def browser():
    with playwright_api.sync_playwright() as p:
        chromium = p.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield chromium
        chromium.close()


@contextlib.contextmanager
def visit(browser, address, width=1280, height=800):
    "A visitor of their own, once the first answer is there; errors, and requests to anywhere else, fail the test."
    context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
    page, errors, asked = context.new_page(), [], []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.set_default_timeout(120_000)
    page.goto(address)
    try:
        page.get_by_text("MABRE").wait_for()
        yield page
        home = address.partition("?")[0]
        assert [url for url in asked if not url.startswith((home, "data:", "blob:"))] == []
        assert [text for text in errors if not EXPECTED.search(text)] == []
    finally:
        context.close()


def shoot(page, name):
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def sound(page, name):
    "No rule of axe is broken in this state, and nothing is wider than the window."
    shoot(page, name)
    found = Axe().run(page).response["violations"]
    assert [(rule["id"], [node["target"] for node in rule["nodes"]]) for rule in found] == [], name
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


def wait_for_scene(page, settings):
    "Until the page shows what the pure functions give: the scores, then the very shares."
    facts = scene_facts(look(settings))
    for score in facts["scores"]:
        page.get_by_role("cell", name=score["text"], exact=True).first.wait_for()
    shares = {name: (true, found) for name, true, found in facts["shares"]}
    drawn = page.eval_on_selector_all(
        "#shares g", "all => all.map(g => [g.dataset.name, +g.dataset.true, +g.dataset.found])"
    )
    assert drawn and all(shares[name] == (true, found) for name, true, found in drawn)
    return facts


def said(page, id):
    return page.locator(f"#{id}-said")


# the explorer


def test_every_control_moves_numbers_and_picture_by_the_keyboard_alone(app, browser):
    settings = START
    with visit(browser, app) as page:
        wait_for_scene(page, settings)
        sound(page, "explore")
        stops, outlined = [], []
        for _ in range(40):  # around the page once, as Tab goes
            page.keyboard.press("Tab")
            here = page.evaluate("""() => { const e = document.activeElement, s = getComputedStyle(e);
                return [e.id || e.textContent, s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2]; }""")
            if here[0] in stops:
                break
            stops.append(here[0])
            outlined.append(here[1])
        assert all(outlined[:-1]), stops  # the last stop is the browser's own bar
        fields = ("n_interventions", "base_weight", "rows", "lam", "eps", "seed")
        assert {"network", "exact", "solver", "new", *fields, *(f"{field}-slider" for field in fields)} < set(stops)
        assert stops[:3] == ["Skip to the content", "Explore", "Your own data"]
        for field, key, value in (
            ("lam", "ArrowRight", 0.11),
            ("eps", "ArrowRight", 1e-4),
            ("rows", "ArrowRight", 31_623),
            ("base_weight", "ArrowRight", 0.25),
            ("n_interventions", "ArrowLeft", 7),
            ("seed", "ArrowRight", 1),
        ):
            page.locator(f"#{field}-slider").focus()
            page.keyboard.press(key)
            settings = replace(settings, **{field: value})
            wait_for_scene(page, settings)
        page.get_by_role("textbox", name="Rows counted, N").fill("2e3")
        page.keyboard.press("Enter")
        settings = replace(settings, rows=2_000)
        wait_for_scene(page, settings)
        page.get_by_role("button", name="New mixture").press("Enter")
        settings = replace(settings, seed=2)
        wait_for_scene(page, settings)
        page.get_by_label("Solver", exact=True).select_option("exact")
        wait_for_scene(page, replace(settings, solver="exact"))
        page.locator("#exact").press("Space")
        wait_for_scene(page, replace(settings, solver="exact", rows=float("inf")))
        page.locator("#exact").press("Space")
        page.get_by_label("Network", exact=True).select_option("cancer")
        facts = wait_for_scene(page, replace(settings, solver="exact", network="cancer", n_interventions=5))
        assert page.get_by_role("img", name=facts["words"]).is_visible(), "the picture has its alternative"
        page.locator("#errors [data-rows='1000000']").wait_for(state="attached")
        for rows, error in page.eval_on_selector_all(
            "#errors [data-rows]", "all => all.map(c => [+c.dataset.rows, +c.dataset.mae])"
        )[::4]:
            at = replace(settings, solver="exact", network="cancer", n_interventions=5, rows=int(rows))
            assert error == look(at).scores["MAE"]


@pytest.mark.parametrize(
    "width, height, wide", [(375, 800, 1), (768, 1024, 0.9), (1280, 800, 0.95), (1920, 1080, 0.95)]
)
def test_the_main_picture_is_above_the_fold_and_the_width_is_used(app, browser, width, height, wide):
    with visit(browser, app, width, height) as page:
        box = page.locator("#shares svg").bounding_box()
        assert box["y"] + box["height"] <= height and box["width"] >= min(320, width)
        slider = page.locator("#n_interventions-slider").bounding_box()
        assert slider["y"] < height, "a control beside it"
        used = page.evaluate(
            "Math.max(...[...document.querySelectorAll('.scene > *')].map(e => e.getBoundingClientRect().right))"
        )
        assert used >= wide * (width - 30)
        sound(page, f"explore-{width}")
        page.get_by_role("link", name="Your own data").click()
        sound(page, f"data-{width}")
        if width == 375:
            page.get_by_role("link", name="Explore").click()
            page.locator("#seed-slider").scroll_into_view_if_needed()
            assert page.locator("#shares svg").bounding_box()["y"] >= 0, "the picture stays in sight under the controls"


def test_a_slow_solver_runs_on_its_button_and_can_be_cancelled(app, browser):
    with visit(browser, app) as page:
        page.get_by_label("Solver", exact=True).select_option("em")
        page.get_by_text("shown: DIMM, conic").wait_for()
        page.get_by_role("button", name="Run the solver").click()
        wait_for_scene(page, replace(START, solver="em"))
        page.get_by_text("done", exact=True).wait_for()
        page.get_by_label("Network", exact=True).select_option("alarm")
        page.get_by_label("Solver", exact=True).select_option("slsqp")
        page.get_by_text("shown: DIMM, conic").wait_for()
        page.get_by_role("button", name="Run the solver").click()
        page.get_by_text("running …").wait_for()
        sound(page, "running")
        page.locator("#cancel").click()
        page.get_by_text("cancelled").wait_for()
        page.get_by_label("Network", exact=True).select_option("asia")
        page.get_by_label("Solver", exact=True).select_option("conic")
        wait_for_scene(page, START)


def test_what_cannot_be_is_said_beside_the_control(app, browser):
    with visit(browser, app) as page:
        for field, text, words in (
            ("rows", "1e9", "rows counted must be a whole number from 1 to 1,000,000"),
            ("lam", "<img src=x>", "λ is a number, not '<img src=x>'"),
            ("seed", "-1", "the seed of the mixture must be a whole number from 0"),
        ):
            box, before = page.locator(f"#{field}"), page.locator(f"#{field}").input_value()
            box.fill(text)
            page.keyboard.press("Enter")
            said(page, field).get_by_text(words).wait_for()
            assert box.get_attribute("aria-invalid") == "true"
            box.fill(before)
            page.keyboard.press("Enter")
            expect(said(page, field)).to_have_text("")
        page.get_by_label("Network", exact=True).select_option("pigs")
        said(page, "network").get_by_text("1,323 categories, and a page takes up to 500").wait_for()
        sound(page, "problems")
        page.get_by_label("Network", exact=True).select_option("asia")
        page.locator("#lam").fill("0.2")
        page.keyboard.press("Enter")
        wait_for_scene(page, replace(START, lam=0.2))


def test_two_sessions_do_not_disturb_each_other(app, browser):
    with visit(browser, app) as one, visit(browser, app) as two:
        one.locator("#lam").fill("0.3")
        one.keyboard.press("Enter")
        two.locator("#seed").fill("5")
        two.keyboard.press("Enter")
        wait_for_scene(one, replace(START, lam=0.3))
        wait_for_scene(two, replace(START, seed=5))
        assert (one.locator("#seed").input_value(), two.locator("#lam").input_value()) == ("0", "0.1")
        for page in (one, two):  # both at work at once
            page.get_by_label("Network", exact=True).select_option("alarm")
            page.get_by_label("Solver", exact=True).select_option("slsqp")
            page.get_by_text("shown: DIMM, conic").wait_for()
            page.get_by_role("button", name="Run the solver").click()
            page.get_by_text("running …").wait_for()
        one.locator("#cancel").click()
        one.get_by_text("cancelled").wait_for()
        assert two.get_by_text("running …").is_visible(), "one cancels its own work only"
        two.locator("#cancel").click()
        assert one.request.get(f"{app.partition('?')[0]}jobs/guess").status == 404


def test_nobody_enters_without_the_token(app, browser):
    home, context = app.split("?")[0], browser.new_context()
    for path in ("", "page.js", "scene?network=asia", "jobs/x", "?token=", "?token=guess"):
        reply = context.request.get(home + path)
        assert reply.status == 403 and "needs the whole address" in reply.text()
    assert context.request.post(f"{home}jobs", data={"task": "look", "packaged": "asia"}).status == 403
    assert home.startswith("http://127.0.0.1:") and len(app.split("token=")[1]) > 20
    context.request.get(app)
    assert context.request.get(home).ok, "the token is needed once"
    for other in ("http://example.org", "null"):
        assert context.request.get(home, headers={"Origin": other}).status == 403
    cookie, = context.cookies()
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    context.close()


# own data


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    "A quiet table, a later one, a network, a week of its counts, and files that are none of it."
    folder = tmp_path_factory.mktemp("own")
    asia = load_network("asia")
    asia.to_bif(folder / "asia.bif")
    codes, _ = sample_mixture(asia, random_mixture(asia, 2, 0.6, seed=3), 20_000, seed=4)
    seen = Marginals.from_codes(asia, codes)
    write_counts(seen, folder / "counts.csv")
    write_counts(Marginals.from_codes(asia, asia.sample(20_000, seed=5)), folder / "quiet-counts.csv")
    (100 * seen.counts / 20_000).rename_axis(["node", "state"]).to_csv(folder / "percent.csv")
    quiet = pd.DataFrame({"Colour": ["red", "blue"] * 150, "Bought": (["yes", "no"] * 75 + ["no", "no"] * 75)})
    quiet.to_csv(folder / "quiet.csv", index=False)
    quiet.assign(Bought="yes").to_csv(folder / "later.csv", index=False)
    (folder / "broken.csv").write_text("node,state,count\nasia,yes,many\n")
    (folder / "<img src=x onerror=alert(1)>.csv").write_text("node,state,count\nasia,<script>alert(2)</script>,1\n")
    (folder / "cat.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    (folder / "empty.csv").write_bytes(b"")
    (folder / "large.csv").write_bytes(b"0" * (MOST_BYTES + 1))
    (folder / "notes.bif").write_text("hello")
    (folder / "bomb.bif.gz").write_bytes(gzip.compress(bytes(2**28)))  # 250 kB that become 256 MiB
    return folder


def own_data(page):
    page.get_by_role("link", name="Your own data").click()


def source(page, words):
    page.get_by_role("radio", name=words).check()


def quick_method(page):
    "Shares without intervals, which come at once."
    page.get_by_text("More settings", exact=True).click()
    page.get_by_label("Method").select_option("dimm")


def report(page):
    page.get_by_role("button", name="Attribute").click()
    frame = page.frame_locator("iframe[title='attribution report']")
    frame.locator("h1, h2").first.wait_for()
    return frame


def saved(page, words):
    with page.expect_download() as download:
        page.get_by_role("link", name=words).click()
    return Path(download.value.path()).read_text()


def test_a_network_and_counts_become_a_report_and_downloads(app, browser, own):
    with visit(browser, app) as page:
        own_data(page)
        source(page, "A network file")
        page.get_by_label("Network file (.bif)").set_input_files(own / "asia.bif")
        page.get_by_text("8 nodes, 8 arrows, 16 categories").wait_for()
        assert "asia.bif" in page.get_by_label("Network file (.bif)").input_value(), "the name of the file is shown"
        page.get_by_label("Counts, or rows").set_input_files(own / "counts.csv")
        page.get_by_label("Baseline").set_input_files(own / "quiet-counts.csv")
        page.get_by_label("Metric", exact=True).select_option("dysp=yes")
        quick_method(page)
        sound(page, "chosen")
        frame = report(page)
        assert "dysp" in frame.locator("body").inner_text()
        sound(page, "report")
        numbers = json.loads(saved(page, "Save the numbers"))
        assert numbers["metric"]["node"] == "dysp"
        assert saved(page, "Save this report").startswith("<!DOCTYPE html>") and saved(page, "Save the ranking")
        page.get_by_label("Counts, or rows").set_input_files(own / "percent.csv")
        page.get_by_label("Baseline").set_input_files([])
        page.get_by_label("Totals").fill("20000")
        report(page)
        rows = json.loads(saved(page, "Save the numbers"))["rows"]
        assert list(rows.values()) == [pytest.approx(20_000, rel=1e-5)] * 8  # what the percentages' rounding takes


def test_a_table_is_learned_from_and_its_network_attributes(app, browser, own):
    with visit(browser, app, 375, 800) as page:
        own_data(page)
        page.get_by_label("Table of the quiet time").set_input_files(own / "quiet.csv")
        expect(page.locator("#tiers")).to_have_value(re.compile("Colour"))
        page.get_by_text("More settings for learning").click()
        page.get_by_label("Bootstrap").fill("0")
        page.get_by_role("button", name="Learn the network").click()
        page.get_by_role("link", name="Save the network").wait_for()
        sound(page, "learned-375")
        assert "network" in saved(page, "Save the network")
        page.get_by_label("Counts, or rows").set_input_files(own / "later.csv")
        page.get_by_label("Metric", exact=True).select_option("Bought=yes")
        quick_method(page)
        assert "Bought" in report(page).locator("body").inner_text()
        sound(page, "report-375")
        page.locator("#tiers").fill("tiers: 3")
        page.get_by_role("button", name="Learn the network").click()
        said(page, "tiers").get_by_text("tiers").wait_for()
        sound(page, "bad-tiers")


def test_files_that_are_wrong_empty_huge_or_hostile_are_refused_beside_them(app, browser, own):
    with visit(browser, app) as page:
        own_data(page)
        page.get_by_role("button", name="Attribute").click()
        said(page, "counts").get_by_text("choose counts first").wait_for()
        source(page, "A network file")
        for name, words in (("notes.bif", "notes.bif"), ("bomb.bif.gz", "bomb.bif.gz")):
            page.get_by_label("Network file (.bif)").set_input_files(own / name)
            page.locator("#network-problem").get_by_text(words).wait_for()
        source(page, "A packaged network")
        page.get_by_label("Packaged network", exact=True).select_option("asia")
        page.get_by_text("8 nodes, 8 arrows").wait_for()
        for name, words in (("empty.csv", "empty.csv is empty"), ("large.csv", "a page takes up to 21")):
            page.get_by_label("Counts, or rows").set_input_files(own / name)
            said(page, "counts").get_by_text(words).wait_for()
            assert page.get_by_label("Counts, or rows").input_value() == ""
        for name, words in (
            ("broken.csv", "broken.csv, line 2"),
            ("cat.csv", "cat.csv"),
            ("<img src=x onerror=alert(1)>.csv", "<img src=x onerror=alert(1)>.csv"),
        ):
            page.get_by_label("Counts, or rows").set_input_files(own / name)
            page.get_by_role("button", name="Attribute").click()
            said(page, "counts").get_by_text(words).first.wait_for()
            assert "sent-" not in said(page, "counts").inner_text()
        sound(page, "refused")
        page.get_by_label("Counts, or rows").set_input_files(own / "counts.csv")
        page.get_by_text("More settings", exact=True).click()
        page.get_by_label("Level").fill("7")
        page.get_by_role("button", name="Attribute").click()
        page.locator("#attribute--level-said").get_by_text("--level").wait_for()


def test_examples_fill_the_form_in(app, browser):
    with visit(browser, app) as page:
        own_data(page)
        page.get_by_role("button", name="a shop").click()
        expect(page.locator("#tiers")).to_have_value(re.compile(r"\[Purchase\]"))
        assert "last-week.csv" in page.get_by_label("Counts, or rows").input_value()
        page.get_by_role("button", name="a clinic").click()
        page.get_by_text("8 nodes, 8 arrows").wait_for()
        quick_method(page)
        report(page)
        sound(page, "example")


# the notebook


def test_the_chapter_works_in_jupyterlab(browser, tmp_path):
    notebook = {
        "cells": [
            {
                "cell_type": "code",
                "id": "explore",
                "metadata": {},
                "execution_count": None,
                "outputs": [],
                "source": "from dimm_nb import explore\nexplore('asia')",
            }
        ],
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (tmp_path / "try.ipynb").write_text(json.dumps(notebook))
    port = free_port()
    command = [
        BIN / "jupyter",
        "lab",
        "--no-browser",
        "--allow-root",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=t",
        "--LabApp.extension_manager=readonly",
    ]
    with running(command, port, tmp_path):
        context = browser.new_context(viewport={"width": 1400, "height": 1000})
        page, errors = context.new_page(), []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.set_default_timeout(180_000)
        page.goto(f"http://127.0.0.1:{port}/lab/tree/try.ipynb?token=t")
        page.get_by_text("| Idle").wait_for()  # its kernel is there
        page.locator(".jp-Notebook .jp-CodeCell").first.click()
        page.keyboard.press("Shift+Enter")
        page.get_by_text("MABRE").wait_for()
        wait_for_picture(page, START)
        row = page.locator(".widget-hbox", has=page.get_by_text("λ", exact=True)).last
        row.locator("[role=slider]").focus()
        page.keyboard.press("ArrowRight")
        wait_for_picture(page, replace(START, lam=0.11))
        shoot(page, "jupyterlab")
        assert [text for text in errors if "net::ERR_" not in text] == []
        context.close()


def wait_for_picture(page, settings):
    "Until the widgets show what the pure functions give: numbers, then the very same picture."
    scene = look(settings)
    for score in scene.scores:
        page.get_by_role("cell", name=f"{score:.3e}").first.wait_for()
    wanted = list(picture(draw_stems(scene)))
    page.wait_for_function("""async wanted => {
      for (const image of document.querySelectorAll("img.widget-image")) {
        const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
        if (bytes.length === wanted.length && bytes.every((value, k) => value === wanted[k])) return true;
      }
      return false;
    }""", arg=wanted)
