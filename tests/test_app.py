"""The explorer in a real browser: Voilà's page and JupyterLab, driven by Playwright and the system's Chromium."""
import contextlib
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

import pytest

from dimm_nb.explorer.app import MOST_BYTES
from dimm_nb.explorer.scene import Settings, draw_stems, look
from dimm_nb.mixture.marginals import write_counts
from dimm_nb.mixture.mixture import random_mixture, sample_mixture
from dimm_nb.network.axis import Marginals
from dimm_nb.network.network import load_network
from dimm_nb.theory.live import picture

BIN = Path(sys.executable).parent
CHROMIUM = next((path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path), None)
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run"]
HARMLESS = re.compile(
    r"cdn\.jsdelivr|cdnjs|mathjax|net::ERR_|favicon|Failed to load resource", re.I
)  # assets from elsewhere, missing without a network
SHOTS = os.environ.get("DIMM_SHOTS")  # a folder for screenshots
START = Settings("asia", 8, rows=10_000)

playwright_api = pytest.importorskip(
    "playwright.sync_api", reason="browser tests need Playwright: pip install playwright"
)
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
    with running(
        [BIN / "dimm", "app", "asia", "--port", str(port), "--kernels", "2"], port, tmp_path_factory.mktemp("app")
    ) as process:
        yield process.stdout.readline().strip()


@pytest.fixture(scope="module")
def browser():
    with playwright_api.sync_playwright() as p:
        chromium = p.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield chromium
        chromium.close()


@contextlib.contextmanager
def visit(browser, address):
    "A visitor of their own, on the page once it shows the first answer; errors in the console fail the test."
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page, errors = context.new_page(), []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_default_timeout(180_000)
    for _ in range(120):  # pages that were left are still ending
        if page.goto(address).status != 503:
            break
        page.wait_for_timeout(500)
    try:
        page.get_by_text("MABRE").wait_for()
        yield page
        assert [text for text in errors if not HARMLESS.search(text)] == []
    finally:
        page.goto("about:blank")  # leaving the page ends its kernel
        context.close()


def box(page, label):
    "The text box in the row of a slider."
    return page.locator(".widget-hbox", has=page.get_by_text(label, exact=True)).last.locator("input[type=text]")


def handle(page, label):
    return page.locator(".widget-hbox", has=page.get_by_text(label, exact=True)).last.locator("[role=slider]")


def message(page, label):
    return page.locator(".widget-hbox", has=page.get_by_text(label, exact=True)).last.get_by_role("alert")


def wait_for_scene(page, settings):
    "Until the page shows what the pure functions give: numbers, then the very same picture."
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


def shoot(page, name):
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def test_every_control_moves_numbers_and_picture(app, browser):
    settings = START
    with visit(browser, app) as page:
        wait_for_scene(page, settings)
        for label, field, key, value in (
            ("λ", "lam", "ArrowRight", 0.11),
            ("ε", "eps", "ArrowRight", 1e-4),
            ("N", "rows", "ArrowRight", 31_623),
            ("π_φ", "base_weight", "ArrowRight", 0.25),
            ("N_ivn", "n_interventions", "ArrowLeft", 7),
            ("seed", "seed", "ArrowRight", 1),
        ):
            handle(page, label).focus()
            page.keyboard.press(key)
            settings = replace(settings, **{field: value})
            wait_for_scene(page, settings)
        box(page, "N").fill("2e3")
        page.keyboard.press("Enter")
        settings = replace(settings, rows=2_000)
        wait_for_scene(page, settings)
        page.get_by_role("button", name="New mixture").press("Enter")
        settings = replace(settings, seed=2)
        wait_for_scene(page, settings)
        page.get_by_label("solver").select_option("exact")
        wait_for_scene(page, replace(settings, solver="exact"))
        page.get_by_label("network").first.select_option("cancer")
        wait_for_scene(page, replace(settings, solver="exact", network="cancer", n_interventions=5))
        shoot(page, "controls")


def test_a_slow_solver_runs_on_its_button_and_can_be_cancelled(app, browser):
    with visit(browser, app) as page:
        page.get_by_label("solver").select_option("EM")
        page.get_by_text("shown: DIMM, conic").wait_for()
        page.get_by_role("button", name="Run the solver").click()
        wait_for_scene(page, replace(START, solver="em"))
        page.get_by_label("network").first.select_option("alarm")
        page.get_by_label("solver").select_option("DIMM, SLSQP")
        page.get_by_text("shown: DIMM, conic").wait_for()
        page.get_by_role("button", name="Run the solver").click()
        page.get_by_text("running …").wait_for()
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("cancelled").wait_for()
        page.get_by_label("network").first.select_option("asia")
        page.get_by_label("solver").select_option("DIMM, conic")
        wait_for_scene(page, START)


def test_what_cannot_be_is_said_beside_the_control(app, browser):
    with visit(browser, app) as page:
        for label, text, said in (
            ("N", "1e9", "N is a whole number from 100 to 1,000,000, not '1e9'"),
            ("λ", "<img src=x>", "λ is a number from 0 to 1"),
            ("seed", "-1", "seed is a whole number from 0 to 999"),
        ):
            box(page, label).fill(text)
            page.keyboard.press("Enter")
            message(page, label).get_by_text(said).wait_for()
        page.get_by_label("network").first.select_option("pigs")
        page.get_by_text("1,323 categories, and a page takes up to 500").wait_for()
        shoot(page, "problems")
        page.get_by_label("network").first.select_option("asia")
        box(page, "λ").fill("0.2")
        page.keyboard.press("Enter")
        wait_for_scene(page, replace(START, lam=0.2))


def test_visitors_do_not_disturb_each_other_and_there_is_a_limit(app, browser):
    with visit(browser, app) as one, visit(browser, app) as two:
        box(one, "λ").fill("0.3")
        one.keyboard.press("Enter")
        box(two, "seed").fill("5")
        two.keyboard.press("Enter")
        wait_for_scene(one, replace(START, lam=0.3))
        wait_for_scene(two, replace(START, seed=5))
        assert (box(one, "seed").input_value(), box(two, "λ").input_value()) == ("0", "0.1")
        assert "from dimm_nb" not in one.content(), "sources are stripped"
        assert one.request.get(app.split("?")[0] + "voila/files/dimm_nb.ipynb").status == 403
        busy = one.request.get(app)
        assert busy.status == 503 and "all 2 pages are in use" in busy.text()


def test_nobody_enters_without_the_token(app, browser):
    home, request = app.split("?")[0], browser.new_context().request
    for path in ("", "api/kernels"):
        assert "/login?next=" in request.get(home + path).url, "there is only a form that asks for it"
    assert home.startswith("http://127.0.0.1:") and len(app.split("token=")[1]) > 20


@pytest.fixture
def files(tmp_path):
    "A network and a week of its counts."
    asia = load_network("asia")
    asia.to_bif(tmp_path / "asia.bif")
    codes, _ = sample_mixture(asia, random_mixture(asia, 2, 0.6, seed=3), 20_000, seed=4)
    write_counts(Marginals.from_codes(asia, codes), tmp_path / "counts.csv")
    (tmp_path / "broken.csv").write_text("node,state,count\nasia,yes,many\n")
    (tmp_path / "large.csv").write_bytes(b"0" * (MOST_BYTES + 1))
    return tmp_path


def choose(page, name, path):
    "Pick a file with the button of that name."
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=name).click()
    chooser.value.set_files(path)


def drop(page, name, path):
    "Drop a file onto the button of that name."
    data = page.evaluate_handle("""([name, text]) => {
      const data = new DataTransfer();
      data.items.add(new File([text], name));
      return data;
    }""", [path.name, path.read_text()])
    page.get_by_role("button", name=name).dispatch_event("drop", {"dataTransfer": data})


def test_counts_are_attributed_and_broken_uploads_refused(app, browser, files):
    with visit(browser, app) as page:
        page.get_by_role("tab", name="Attribute").click()
        page.get_by_role("button", name="Attribute").click()
        page.get_by_text("choose a network: drop a BIF file here").wait_for()
        drop(page, "Network (.bif)", files / "asia.bif")
        page.get_by_role("button", name="Network (.bif) (1)").wait_for()
        choose(page, "Counts (.csv)", files / "large.csv")
        page.get_by_text("larger than 5 MiB").wait_for()
        choose(page, "Counts (.csv)", files / "broken.csv")
        page.get_by_role("button", name="Counts (.csv) (1)").wait_for()
        page.get_by_role("button", name="Attribute").click()
        page.get_by_text("broken.csv, line 2").wait_for()
        shoot(page, "upload")
        choose(page, "Counts (.csv)", files / "counts.csv")
        page.get_by_label("method").select_option("shares only (DIMM)")
        page.wait_for_timeout(1_000)  # the upload is on its way
        page.get_by_role("button", name="Attribute").click()
        report = page.frame_locator("iframe[title='attribution report']")
        report.locator("h1, h2").first.wait_for()
        assert page.get_by_role("link", name="Save this report").get_attribute("download") == "attribution.html"
        shoot(page, "report")


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
        wait_for_scene(page, START)
        handle(page, "λ").focus()
        page.keyboard.press("ArrowRight")
        wait_for_scene(page, replace(START, lam=0.11))
        shoot(page, "jupyterlab")
        assert [text for text in errors if not HARMLESS.search(text)] == []
        context.close()
