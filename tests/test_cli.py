"""The `dimm` command: each verb, and what it says of bad input: one line, a status that is not 0, and no file."""
import csv
import gzip
import io
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest

import dimm_nb
from dimm_nb.use import cli, files

COMMAND = Path(sys.executable).with_name("dimm")
ASIA = {
    node: dict.fromkeys(("yes", "no"), 50)
    for node in ("asia", "tub", "smoke", "lung", "bronc", "either", "xray", "dysp")
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def dimm(capsys):
    def run(line):
        status = cli.main(shlex.split(line))
        return (status, *capsys.readouterr())
    return run


def counts_csv(counts=ASIA, header="node,state,count"):
    lines = [f"{node},{state},{count}" for node, states in counts.items() for state, count in states.items()]
    return "\n".join([header, *lines]) + "\n"


def changed(**nodes):
    return counts_csv(ASIA | nodes)


def refused(dimm, line, *words, status=(1, 2)):
    "The command fails, says why in one line, and leaves no file behind."
    before = sorted(os.listdir())
    code, out, err = dimm(line)
    assert code in status and out == ""
    said = [text for text in err.splitlines() if not text.startswith("dimm: warning:")]
    assert len(said) == 1 and said[0].startswith("dimm: ")
    for word in words:
        assert word in said[0]
    assert sorted(os.listdir()) == before


# from README alone


ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def own_data(tmp_path_factory):
    """A folder with the tables of README's section "With your own data", and the section's blocks by language."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    section = page[page.index("## With your own data"):page.index("## A worked example")]
    blocks = {}
    for language, text in re.findall(r"```(\w*)\n(.*?)```", section, re.S):
        blocks.setdefault(language, []).append(text)
    cells = json.loads((ROOT / "nbs" / "index.ipynb").read_text(encoding="utf-8"))["cells"]
    made = next("".join(cell["source"]) for cell in cells if cell["id"] == "own-data-tables")
    where, before = tmp_path_factory.mktemp("own"), os.getcwd()
    os.chdir(where)
    exec(made, {"np": np, "pd": pd})
    os.chdir(before)
    return where, blocks, section


def test_readme_s_three_commands_and_four_lines(own_data, dimm, monkeypatch):
    where, blocks, section = own_data
    monkeypatch.chdir(where)
    assert sorted(os.listdir()) == ["later.csv", "stable.csv"]
    assert (where / "stable.csv").read_text().startswith(blocks[""][0].split("\n")[0]), "the table that is shown"
    draft, learn, attribute = (line.split("  #")[0].strip() for line in blocks["sh"][0].strip().split("\n"))
    assert dimm(draft.removeprefix("dimm "))[0] == 0
    (where / "tiers.yaml").write_text(blocks["yaml"][0])
    assert dimm(learn.removeprefix("dimm "))[0] == 0
    status, text, err = dimm(attribute.removeprefix("dimm "))
    assert status == 0 and err == ""
    for told in (text, section):  # README shows the answer that its reader gets
        supported = re.findall(r"^ +(\S.*?)  .* supported ", told.split("Interventions,")[1], re.M)
        assert supported == ["Channel: email", "Basket: no"]
    names = {}
    lines = "".join(blocks["python"]).splitlines()
    exec("\n".join(line for line in lines if not line.startswith("print")), names)
    assert names["answer"].summary() == text.rstrip("\n"), "the same from Python"
    page = (where / "report.html").read_text(encoding="utf-8")
    assert "later.csv, 20,000 rows" in page and "dimm attribute net.bif later.csv --metric Purchase=yes" in page
    (where / "plans.txt").write_text(blocks[""][1])
    for catalogue, size in (("--nodes Channel,Basket", 5), ("--interventions plans.txt", 2)):
        assert catalogue in section
        status, text, _ = dimm(f"attribute net.bif later.csv --method dimm --json - {catalogue}")
        assert status == 0 and len(json.loads(text)["interventions"]) == size


# each verb


def test_help_names_the_verbs(dimm):
    for line in ("", "--help", "-h"):
        status, out, err = dimm(line)
        assert status == 0 and err == "" and all(verb in out for verb in ("demo", "networks", "recover", "simulate"))


def test_networks_lists_what_can_be_loaded(dimm):
    status, out, _ = dimm("networks")
    assert status == 0 and {"alarm", "asia"} <= {line.split()[0] for line in out.splitlines()}
    for name in ("alarm", "asia"):
        net = dimm_nb.load_network(name)
        sizes = f"{len(net.names)} nodes {sum(map(len, net.parents))} arrows {len(net.index)} categories".split()
        assert next(line.split()[1:] for line in out.splitlines() if line.startswith(name)) == sizes


def test_what_simulate_writes_recover_reads(dimm, folder):
    assert dimm("simulate asia --interventions 3 --rows 50000 --seed 1 --out counts.csv --truth truth.csv")[0] == 0
    status, out, err = dimm("recover asia counts.csv --out answer.csv")
    assert status == 0 and out and err == ""
    answer, truth = (pd.read_csv(name, index_col=["node", "state"]).share for name in ("answer.csv", "truth.csv"))
    assert answer.index.equals(truth.index) and (truth > 0).sum() == 3
    assert (answer - truth).abs().max() < .2 and np.corrcoef(answer, truth)[0, 1] > .7
    assert sorted(os.listdir()) == ["answer.csv", "counts.csv", "truth.csv"]


def test_the_same_seed_gives_the_same_files(dimm):
    for name, seed in [("a", 1), ("b", 1), ("c", 2)]:
        assert (
            dimm(
                f"simulate asia --interventions 2 --rows 1000 --seed {seed} --out {name}.csv --truth {name}_truth.csv"
            )[0]
            == 0
        )
    for end in (".csv", "_truth.csv"):
        a, b, c = (Path(name + end).read_bytes() for name in "abc")
        assert a == b != c


def test_the_options_reach_the_solver(dimm, monkeypatch):
    seen = {}
    def solver(oracle, marginals, **options):
        seen.update(options)
        return cli.dimm_nb.solve_exact(oracle, marginals, check=False)
    monkeypatch.setattr(dimm_nb, "solve_dimm", solver, raising=False)
    Path("counts.csv").write_text(counts_csv())
    assert dimm("recover asia counts.csv --solver slsqp --lam 0 --eps 0.01 --seed 7")[0] == 0
    assert seen == {"solver": "slsqp", "lam": 0.0, "eps": 0.01, "seed": 7}


def test_exact_marginals_are_recovered_exactly(dimm, folder):
    net = dimm_nb.CausalNetwork(("x",), (("a", "b"),), ((),), (np.array([.5, .5]),))
    net.to_bif("coin.bif")
    Path("counts.csv").write_text("node,state,count\nx,a,750\nx,b,250\n")
    status, _out, _ = dimm("recover ./coin.bif counts.csv --solver exact --out answer.csv")
    assert status == 0 and pd.read_csv("answer.csv").share.tolist() == pytest.approx([.5, 0])


def test_a_file_of_the_same_name_does_not_hide_a_packaged_network(dimm):
    Path("asia").write_text("nonsense")
    assert dimm("simulate asia --interventions 1 --rows 10 --out counts.csv")[0] == 0


def test_totals_that_differ_are_kept_and_warned_of(dimm):
    Path("counts.csv").write_text(changed(tub={"yes": 3, "no": 40}))
    status, out, err = dimm("recover asia counts.csv")
    assert status == 1 and not out and "node 'tub' has 43 rows where" in err and "allow_missing" in err
    Path("counts.csv").write_text(changed(tub={"yes": 3, "no": 70}))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        status, out, err = dimm("recover asia counts.csv")
    assert status == 0 and "dimm: warning: totals differ" in err and len(err.splitlines()) == 1


def test_the_demonstration(dimm):
    status, out, err = dimm("demo --rows 5000 --only alarm --out show")
    assert status == 0 and "alarm: drawing 5,000 rows" in err and "warning" not in err
    said = " ".join(out.split("The truth was known")[0].split())
    assert (said.startswith("These counts can be explained") and "of the traffic" in said and "supported" in said
            and "points" in said)
    assert all(len(line) <= 80 for line in out.split("The truth was known")[0].splitlines())
    assert all(metric in out for metric in ("MSE", "MAE", "MABRE", "Δ"))
    assert sorted(os.listdir("show")) == [
        "alarm.html",
        "alarm.json",
        "alarm_counts.csv",
        "alarm_scores.csv",
        "alarm_shares.csv",
        "alarm_shares.png",
    ]
    shares, scores = (
        pd.read_csv("show/alarm_shares.csv"),
        pd.read_csv("show/alarm_scores.csv", index_col="metric").value,
    )
    error = shares.recovered - shares.truth
    assert len(shares) == 105 and (shares.truth > 0).sum() == 17
    assert [(error**2).mean(), error.abs().mean(), error.abs().max()] == pytest.approx(
        scores[["MSE", "MAE", "MABRE"]].tolist()
    )
    assert Path("show/alarm_shares.png").read_bytes().startswith(b"\x89PNG")


def test_the_demonstration_sees_nothing_but_the_file(monkeypatch, folder):
    net = dimm_nb.load_network("alarm")
    other = dimm_nb.Marginals.from_codes(net, net.sample(5000, seed=3))
    monkeypatch.setattr(
        dimm_nb, "write_counts", lambda seen, path, write=dimm_nb.write_counts: write(other, path), raising=False
    )
    result = cli.demo(folder / "show", rows=5000, cases=("alarm",), say=lambda line: None)["alarm"]
    pd.testing.assert_series_equal(result.shares.share, dimm_nb.attribute(net, other).shares.share)


def test_attribute_writes_what_it_says(dimm):
    assert dimm("simulate asia --interventions 2 --rows 50000 --seed 1 --out counts.csv")[0] == 0
    status, out, err = dimm(
        "attribute asia counts.csv --metric dysp=yes --html report.html --json out.json --csv shares.csv"
    )
    assert (status, err) == (0, "") and out.count("What moved dysp: yes") == 1
    data, shares = json.loads(Path("out.json").read_text()), pd.read_csv("shares.csv")
    assert data["metric"]["node"] == "dysp" and [row["share"] for row in data["interventions"]] == pytest.approx(
        shares.share.tolist()
    )
    assert Path("report.html").read_text().startswith("<!DOCTYPE html>")
    parts = data["metric"]["contributions"]
    assert abs(sum(part["points"] for part in parts) - data["metric"]["observed"] + data["metric"]["stable"]) < 1e-9


def test_attribute_of_percentages_rows_and_a_baseline(dimm):
    net = dimm_nb.load_network("asia")
    net.frame(net.sample(2000, seed=0)).to_csv("rows.csv", index=False)
    net.frame(net.sample(2000, seed=1)).to_csv("before.csv", index=False)
    Path("percent.csv").write_text(counts_csv({node: {"yes": "40.5%", "no": "59.5%"} for node in ASIA}))
    for line in (
        "rows.csv --method em",
        "percent.csv --totals 1000 --method dimm",
        "rows.csv --baseline before.csv --method dimm",
        "rows.csv --method dimm --level 0.9",
    ):
        status, out, err = dimm(f"attribute asia {line}")
        assert (
            (status, err) == (0, "")
            and "What moved" in out
            and ("Interventions, largest share first" in out or "No intervention has a share" in out)
        ), line


# the installed command


def test_the_command_is_installed_and_its_status_reaches_the_shell():
    good = subprocess.run([COMMAND, "networks"], capture_output=True, text=True)
    bad = subprocess.run([COMMAND, "recover", "alrm", "nothing.csv"], capture_output=True, text=True)
    assert good.returncode == 0 and "alarm" in good.stdout.split()
    assert (
        bad.returncode == 1
        and bad.stdout == ""
        and bad.stderr == "dimm: " + bad.stderr[6:].strip() + "\n"
        and "Traceback" not in bad.stderr
    )


def test_help_loads_no_heavy_library():
    code = ("import sys; from dimm_nb.use.cli import main; main(['--help']); "
            "print(set('numpy pandas scipy pgmpy matplotlib'.split()) & set(sys.modules))")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.endswith(
        "set()\n"
    )


def test_a_reader_that_leaves_early_is_no_error():
    head = subprocess.run(
        ["bash", "-c", f"set -o pipefail; '{COMMAND}' networks | true"], capture_output=True, text=True
    )
    assert "Traceback" not in head.stderr and "Exception" not in head.stderr


def test_a_terminal_without_greek_letters():
    done = subprocess.run(
        [COMMAND, "recover", "--help"], capture_output=True, text=True, env=os.environ | {"PYTHONIOENCODING": "latin-1"}
    )
    assert done.returncode == 0 and "OPT(?)" in done.stdout


def test_interruption_is_one_line(dimm, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt
    monkeypatch.setattr(cli, "simulate", stop)
    assert dimm("simulate asia --out x.csv") == (130, "", "\ndimm: interrupted\n")  # after the ^C


def test_too_little_memory_is_one_line(dimm, monkeypatch):
    def full(*_):
        raise MemoryError
    monkeypatch.setattr(cli, "simulate", full)
    refused(dimm, "simulate asia --out x.csv", "memory")


# bad words on the command line


@pytest.mark.parametrize("line, words", [
    ("bogus", ["bogus"]),
    ("recover", ["NETWORK"]),
    ("recover asia", ["COUNTS"]),
    ("recover asia good.csv extra", ["extra"]),
    ("recover asia good.csv --solver simplex", ["simplex", "conic"]),
    ("recover asia good.csv --lam -1", ["--lam", "-1"]),
    ("recover asia good.csv --lam nan", ["lam"]),
    ("recover asia good.csv --lam inf", ["lam"]),
    ("recover asia good.csv --lam much", ["--lam", "much"]),
    ("recover asia good.csv --eps 0", ["--eps"]),
    ("recover asia good.csv --eps -1e-3", ["--eps"]),
    ("recover asia good.csv --eps nan", ["eps"]),
    ("recover asia good.csv --seed -1", ["--seed"]),
    ("recover asia good.csv --seed 1.5", ["--seed"]),
    ("recover asia good.csv --solver exact --lam 0.1", ["exact", "--lam"]),
    ("recover asia missing.csv", ["missing.csv"]),
    ("recover asia . ", ["."]),
    ("recover alrm good.csv", ["alrm", "alarm"]),
    ("recover missing.bif good.csv", ["missing.bif"]),
    ("recover good.csv good.csv", ["good.csv"]),
    ("recover alarm good.csv", ["good.csv", "asia"]),
    ("recover asia good.csv --out nowhere/x.csv", ["nowhere"]),
    ("recover asia good.csv --out good.csv/x.csv", ["good.csv"]),
    ("recover asia good.csv --out .", ["."]),
    ("recover asia good.csv --out ./good.csv", ["--out", "good.csv"]),
    ("simulate asia", ["--out"]),
    ("simulate asia --interventions 9 --out x.csv", ["8", "9"]),
    ("simulate asia --interventions -1 --out x.csv", ["--interventions"]),
    ("simulate asia --rows 0 --out x.csv", ["--rows"]),
    ("simulate asia --rows 99999999999 --out x.csv", ["--rows"]),
    ("simulate asia --out x.csv --truth x.csv", ["x.csv"]),
    ("simulate asia --interventions 2 --rows 10 --out x.csv --truth nowhere/t.csv", ["nowhere"]),
    ("attribute asia", ["COUNTS"]),
    ("attribute asia good.csv --method bayes", ["bayes", "posterior"]),
    ("attribute asia good.csv --method em", ["rows"]),
    ("attribute asia good.csv --metric dysp", ["dysp"]),
    ("attribute asia good.csv --metric disp=yes", ["disp", "'dysp'"]),
    ("attribute asia good.csv --level 95", ["--level"]),
    ("attribute asia good.csv --totals 0", ["--totals"]),
    ("attribute asia missing.csv", ["missing.csv"]),
    ("attribute asia good.csv --baseline missing.csv", ["missing.csv"]),
    ("attribute alrm good.csv", ["alrm", "alarm"]),
    ("attribute asia good.csv --html good.csv", ["good.csv"]),
    ("attribute asia good.csv --json x --csv x", ["x"]),
    ("attribute asia good.csv --html nowhere/r.html", ["nowhere"]),
    ("experiment tabel1 --out x", ["tabel1", "'table1'"]),
    ("experiment", ["NAME"]),
    ("experiment time --repetitions 0 --out x", ["--repetitions"]),
    ("experiment time --out good.csv", ["good.csv"]),
    ("demo --only mars", ["mars"]),
    ("demo --out good.csv", ["good.csv"]),
    ("demo --rows 0", ["--rows"]),
])
def test_bad_words_are_refused(dimm, line, words):
    Path("good.csv").write_text(counts_csv())
    refused(dimm, line, *words)


# experiments


def test_an_experiment_goes_on_where_it_was(dimm):
    status, out, err = dimm("experiment lambda --quick --repetitions 1 --jobs 1 --out runs")
    assert status == 0 and err == "" and "where does 0.1 stand?" in out and "excess" in out
    first = Path("runs/lambda-quick.csv").read_text().splitlines()
    assert (
        Path("runs/lambda-quick.png").exists() and "dimm experiment lambda --quick --seed 0 --repetitions 1" in first[0]
    )
    status, _, _ = dimm("experiment lambda --quick --jobs 1 --out runs")
    assert status == 0 and set(first[1:]) < set(Path("runs/lambda-quick.csv").read_text().splitlines()), (
        "the same rows, and more"
    )
    refused(
        dimm,
        "experiment lambda --quick --jobs 1 --seed 1 --out runs",
        "another configuration",
        "seed is 0 there and 1 here",
        status=(1,),
    )


# bad networks

COIN = (
    "network coin { } variable coin { type discrete [ 2 ] { heads, tails }; } probability ( coin ) { table 0.5, 0.5; }"
)
CYCLE = (
    "network two { } variable hen { type discrete [ 1 ] { lives }; } variable egg { type discrete [ 1 ] { lies }; } "
    "probability ( hen | egg ) { (lies) 1; } probability ( egg | hen ) { (lives) 1; }"
)
BAD_NETWORKS = {
    name: (text if isinstance(text, bytes) else text.encode(), words)
    for name, (text, words) in {
        "empty": (b"", ["no variable"]),
        "binary": (bytes(range(256)), ["UTF-8"]),
        "truncated": (COIN[:90], ["line 1"]),
        "truncated gzip": (gzip.compress(COIN.encode())[:60], ["gzip"]),
        "cycle": (CYCLE, ["cycle", "hen", "egg"]),
        "too many numbers": (COIN.replace("0.5, 0.5", "0.5, 0.2, 0.3"), ["expected 2 numbers", "line 1"]),
        "negative": (COIN.replace("0.5, 0.5", "-0.5, 1.5"), ["'-0.5'", "line 1"]),
        "NaN": (COIN.replace("0.5, 0.5", "nan, 0.5"), ["'nan'", "line 1"]),
        "not normalised": (COIN.replace("0.5, 0.5", "0.5, 0.6"), ["sum to 1.1"]),
        "state twice": (COIN.replace("tails", "heads"), ["'heads'", "twice"]),
        "node twice": (
            COIN.replace("probability", "variable coin { type discrete [ 1 ] { edge }; } probability"),
            ["'coin'", "twice"],
        ),
        "empty name": (COIN.replace("heads", '""'), ["expected a state"]),
    }.items()
}


@pytest.mark.parametrize("text, words", BAD_NETWORKS.values(), ids=BAD_NETWORKS)
@pytest.mark.parametrize(
    "line", ["recover bad.bif good.csv --solver exact --out x.csv", "simulate bad.bif --interventions 1 --out x.csv"]
)
def test_bad_networks_are_refused(dimm, line, text, words):
    Path("bad.bif").write_bytes(text)
    Path("good.csv").write_text("node,state,count\ncoin,heads,3\ncoin,tails,1\n")
    refused(dimm, line, "bad.bif", *words, status=(1,))


def test_a_rounded_network_is_taken_with_a_warning(dimm):
    Path("round.bif").write_text(COIN.replace("0.5, 0.5", "0.50005, 0.5"))
    status, _, err = dimm("simulate round.bif --interventions 1 --rows 10 --out x.csv")
    assert (
        status == 0
        and err.startswith("dimm: warning: CPT rows that do not quite sum to 1")
        and len(err.splitlines()) == 1
    )


def test_a_network_too_large_for_exact_inference_is_refused(dimm):
    # ten threes of roots: a child of each two threes joins all 30 to one clique, which the chain's end needs whole
    threes = [range(3 * k, 3 * k + 3) for k in range(10)]
    joined = [(*threes[i], *threes[j]) for i in range(10) for j in range(i)]
    chain = [(30 if k == 0 else 74 + k, 31 + k) for k in range(44)]
    parents = [()] * 30 + joined + chain
    names = tuple(f"n{k}" for k in range(len(parents)))
    rng = np.random.default_rng(0)
    dimm_nb.CausalNetwork(
        names,
        (("no", "yes"),) * len(names),
        tuple(parents),
        tuple(rng.dirichlet((1, 1), (2,) * len(above)) for above in parents),
    ).to_bif("clique.bif")
    Path("counts.csv").write_text(counts_csv({name: {"no": 50, "yes": 50} for name in names}))
    refused(dimm, "recover ./clique.bif counts.csv", "too large for exact inference: the largest clique", status=(1,))


def test_rows_that_cannot_be_read_are_left_out_where_asked(dimm):
    net = dimm_nb.load_network("asia")
    rows = net.frame(net.sample(2000, seed=0)).astype(object)
    rows.loc[rows.index[:100], "tub"] = "broken"
    rows.to_csv("rows.csv", index=False)
    lost = "node 'tub': 100 rows", "5.00% of 2,000", "--allow-missing"
    count = "count rows.csv asia --quiet --out n.csv"
    for line in ("attribute asia rows.csv --method dimm", "recover asia rows.csv", count):
        refused(dimm, line, *lost, status=(1,))
        status, out, err = dimm(f"{line} --allow-missing")
        said = " ".join((out + err).split())
        assert status == 0 and "100 rows" in said and "5.00% of 2,000" in said, line
        Path("n.csv").unlink(missing_ok=True)


# bad counts

BAD_COUNTS = {
    "empty file": (b"", ["node"]),
    "header only": (b"node,state,count\n", ["no counts"]),
    "binary": (bytes(range(256)), ["UTF-8"]),
    "Latin-1": (changed(fièvre={"yes": 1}).encode("latin-1"), ["UTF-8"]),
    "a cell too many": (counts_csv().replace("tub,yes,50", "tub,yes,5,0").encode(), ["line 4"]),
    "a cell too few": (counts_csv().replace("tub,yes,50", "tub,yes").encode(), ["line 4"]),
    "an open quote": (counts_csv().replace("tub,yes", 'tub,"yes').encode(), ["line"]),
    "unknown state": (changed(tub={"yse": 1, "no": 1}).encode(), ["tub", "'yse'", "'yes'"]),
    "unknown node": (counts_csv({"rub" if k == "tub" else k: v for k, v in ASIA.items()}).encode(), ["'rub'", "'tub'"]),
    "missing node": (counts_csv({k: v for k, v in ASIA.items() if k != "tub"}).encode(), ["'tub'"]),
    "duplicate row": ((counts_csv() + "tub,yes,50\n").encode(), ["'tub'", "'yes'", "line 18"]),
    "all zero": (changed(tub={"yes": 0, "no": 0}).encode(), ["'tub'", "0"]),
    "everything zero": (counts_csv({node: {"yes": 0, "no": 0} for node in ASIA}).encode(), ["0"]),
} | {f"count {bad!r}": (changed(tub={"yes": bad, "no": 50}).encode(), ["line 4", repr(bad)])
     for bad in ("-1", "1.5", "nan", "inf", "", "many", "1e400", "0x10")}


# the analyst's verb says it in other words
LENIENT = {"everything zero": ["empty"], "header only": ["empty"]}


@pytest.mark.parametrize("name", BAD_COUNTS)
def test_bad_counts_are_refused_by_attribute(dimm, name):
    text, words = BAD_COUNTS[name]
    Path("bad.csv").write_bytes(text)
    refused(dimm, "attribute asia bad.csv --json answer.json", "bad.csv", *LENIENT.get(name, words), status=(1,))


@pytest.mark.parametrize("text, words", BAD_COUNTS.values(), ids=BAD_COUNTS)
def test_bad_counts_are_refused(dimm, text, words):
    Path("bad.csv").write_bytes(text)
    refused(dimm, "recover asia bad.csv --out answer.csv", "bad.csv", *words, status=(1,))


# unusual counts that are right

GOOD = counts_csv()


@pytest.mark.parametrize("text", [
    b"\xef\xbb\xbf" + GOOD.encode(),
    GOOD.replace("\n", "\r\n").encode(),
    GOOD.rstrip("\n").encode(),
    GOOD.replace("\n", "\n\n").encode(),
    "\n".join(f'"{line.replace(",", chr(34) + "," + chr(34))}"' for line in GOOD.split()).encode(),
    "\n".join(f"{line},note {i}" for i, line in enumerate(GOOD.split())).encode(),
    "\n".join(",".join(reversed(line.split(","))) for line in GOOD.split()).encode(),
    GOOD.replace(",50", ",50.0").encode(),
], ids=["byte order mark", "CRLF", "no last newline", "blank lines", "quotes", "more columns", "other order", "50.0"])
def test_other_ways_to_write_a_csv_are_read(text):
    Path("counts.csv").write_bytes(text)
    net = dimm_nb.load_network("asia")
    read = dimm_nb.Marginals.from_counts(net, dimm_nb.read_counts("counts.csv"))
    assert (read.p == .5).all() and (read.n == 100).all()


HOSTILE = (
    "1",
    "1.0",
    "TRUE",
    "NA",
    "NaN",
    "None",
    "null",
    "-5C",
    "=1+1",
    "+x",
    "@sum",
    "'quoted",
    "a,b",
    'a"b',
    "<5",
    "x/y",
    "é",
)


def test_states_that_look_like_something_else_stay_text(dimm):
    net = dimm_nb.CausalNetwork(
        ("=node", "NaN"), (HOSTILE, HOSTILE), ((), ()), (np.full(len(HOSTILE), 1 / len(HOSTILE)),) * 2
    )
    net.to_bif("odd.bif")
    status, _, err = dimm("simulate odd.bif --interventions 2 --rows 20000 --out counts.csv --truth truth.csv")
    assert (status, err) == (0, "")
    read = dimm_nb.read_counts("counts.csv")
    assert list(read.state) == 2 * list(HOSTILE) and set(read.node) == {"=node", "NaN"}
    assert dimm("recover odd.bif counts.csv --out answer.csv")[0] == 0
    for name in ("counts.csv", "truth.csv", "answer.csv"):
        cells = [cell for row in csv.reader(io.StringIO(Path(name).read_text())) for cell in row]
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


# files are written whole or not at all


def test_a_failed_write_leaves_the_old_file(dimm, monkeypatch):
    Path("counts.csv").write_text(counts_csv())
    Path("answer.csv").write_text("old")
    def full(*_, **__):
        raise OSError(28, "No space left on device", "answer.csv")
    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    before = sorted(os.listdir())
    status, _, err = dimm("recover asia counts.csv --out answer.csv")
    assert status == 1 and err == "dimm: answer.csv: No space left on device\n"
    assert Path("answer.csv").read_text() == "old" and sorted(os.listdir()) == before


def test_a_failed_figure_leaves_nothing(folder):
    class Broken:
        def savefig(self, path, **_):
            Path(path).write_text("half")
            raise OSError("full")
    with pytest.raises(OSError):
        cli.save_figure(Broken(), folder / "figure.png")
    assert os.listdir() == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to(dimm, folder):
    (folder / "locked").mkdir(mode=0o555)
    refused(dimm, "simulate asia --interventions 1 --rows 10 --out locked/x.csv", "locked")


def snapshot():
    "What lies in the folder, byte for byte."
    return {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file() and not path.is_fifo()}


@pytest.mark.parametrize("line, word", [
    ("recover s.bif base.csv --out s.bif", "NETWORK"),
    ("recover s.bif base.csv --out link.bif", "NETWORK"),
    ("attribute s.bif base.csv --csv s.bif", "NETWORK"),
    ("attribute s.bif base.csv --json ./base.csv", "COUNTS"),
    ("attribute s.bif base.csv --baseline month.csv --html month.csv", "--baseline"),
    ("attribute s.bif base.csv --interventions could.txt --csv could.txt", "--interventions"),
    ("simulate s.bif --out s.bif", "NETWORK"),
    ("learn rows.csv --tiers k.yaml --out k.yaml", "--tiers"),
    ("learn rows.csv --graph g.txt --out g.txt", "--graph"),
    ("count rows.csv s.bif --out s.bif", "NETWORK"),
])
def test_no_input_is_replaced(dimm, line, word):
    dimm_nb.load_network("asia").to_bif("s.bif")
    Path("link.bif").symlink_to("s.bif")
    for name in ("base.csv", "month.csv"):
        Path(name).write_text(counts_csv())
    for name, text in (("could.txt", "smoke=yes\n"), ("rows.csv", SHOP), ("k.yaml", "max_parents: 2\n"),
                       ("g.txt", "x")):
        Path(name).write_text(text)
    before = snapshot()
    refused(dimm, line, "which is read", word, status=(2,))
    assert snapshot() == before and Path("link.bif").is_symlink()


def test_links_devices_and_pipes(dimm):
    Path("good.csv").write_text(counts_csv())
    Path("loop").symlink_to("loop")
    Path("nowhere").symlink_to("gone.csv")
    Path("there.csv").write_text("old")
    Path("link.csv").symlink_to("there.csv")
    refused(dimm, "recover asia good.csv --out loop", "loop of links")
    refused(dimm, "recover asia good.csv --out nowhere", "link to 'gone.csv', which is not there")
    refused(dimm, "attribute asia /dev/zero", "device or a pipe")
    assert dimm("recover asia good.csv --out link.csv --quiet") == (0, "", "")
    assert Path("link.csv").is_symlink() and Path("there.csv").read_text().startswith("node,state,share")
    os.mkfifo("pipe")
    refused(dimm, "attribute asia pipe", "device or a pipe")
    got = []
    reader = threading.Thread(target=lambda: got.append(Path("pipe").read_text()))
    reader.start()
    assert dimm("attribute asia good.csv --method dimm --json pipe --quiet")[0] == 0
    reader.join(30)
    assert json.loads(got[0])["method"] == "dimm" and Path("pipe").is_fifo()
    if Path("/dev/full").exists():
        status, _, err = dimm("attribute asia good.csv --method dimm --html /dev/full")
        assert (status, err) == (1, "dimm: /dev/full: No space left on device\n") and Path("/dev/full").is_char_device()


def test_files_are_there_though_nobody_reads_the_answer(dimm, monkeypatch):
    Path("good.csv").write_text(counts_csv())
    def gone(*_, **__):
        raise BrokenPipeError
    monkeypatch.setattr(cli.click, "echo", gone)
    monkeypatch.setattr(cli.os, "dup2", lambda *_: None)
    monkeypatch.setattr(cli.sys, "stdout", open(os.devnull, "w"))
    assert cli.main("attribute asia good.csv --method dimm --html report.html --json out.json".split()) == 1
    assert Path("report.html").read_text().rstrip().endswith("</html>") and json.loads(Path("out.json").read_text())


@pytest.mark.parametrize("line, words", [
    ("experiment time --jobs 0 --out x", ["--jobs", "from 1 to 1,024"]),
    ("experiment time --repetitions 99999999999 --out x", ["--repetitions"]),
    ("attribute asia good.csv --seed 4294967296", ["--seed", "4294967295"]),
    ("recover asia good.csv --seed 4294967296", ["--seed"]),
    ("learn good.csv --smoothing inf --out x.bif", ["--smoothing", "finite"]),
    ("attribute asia good.csv --totals nan", ["--totals", "finite"]),
    ("attribute asia good.csv --level nan", ["--level"]),
    ("attribute asia good.csv --metric dysp", ["NODE=STATE", "dysp=yes"]),
    ("attribute asia good.csv --nodes smok", ["'smoke'"]),
    ("attribute asia good.csv --nodes smoke --interventions could.txt", ["--interventions"]),
    ("attribute asia good.csv --interventions none.txt", ["none.txt"]),
    ("attribute asia good.csv --interventions odd.txt", ["odd.txt, line 2", "'yes'"]),
])
def test_options_are_refused_at_once_and_in_words(dimm, line, words):
    Path("good.csv").write_text(counts_csv())
    Path("could.txt").write_text("smoke=yes\n")
    Path("odd.txt").write_text("# what could have been\nsmoke=yse\n")
    refused(dimm, line, *words)


def test_a_catalogue_on_the_command_line(dimm):
    assert dimm("simulate asia --interventions 1 --rows 20000 --seed 3 --out counts.csv")[0] == 0
    Path("could.txt").write_text("smoke=yes\n\nspring campaign: bronc=no, smoke=no\n")
    for line, names in (("--nodes smoke,dysp", ["smoke=yes", "smoke=no", "dysp=yes", "dysp=no"]),
                        ("--interventions could.txt", ["smoke=yes", "spring campaign"])):
        status, out, err = dimm(f"attribute asia counts.csv {line} --method dimm --json -")
        assert ((status, err) == (0, "")
                and {row["intervention"] for row in json.loads(out)["interventions"]} == set(names))


def test_a_sheet_a_table_and_a_period_are_chosen_by_name(dimm, folder):
    duckdb = pytest.importorskip("duckdb")
    rows = pd.DataFrame({"a": ["x", "y"] * 300, "b": ["u", "u", "v"] * 200})
    other = rows.assign(a="x").iloc[:90]
    with pd.ExcelWriter(folder / "two.xlsx") as book:
        rows.to_excel(book, sheet_name="may", index=False)
        other.to_excel(book, sheet_name="june", index=False)
    with duckdb.connect(str(folder / "two.duckdb")) as base:
        base.execute("CREATE TABLE may AS SELECT * FROM rows")
        base.execute("CREATE TABLE june AS SELECT * FROM other")
    for kind in ("xlsx", "duckdb"):
        refused(dimm, f"init two.{kind} --out {kind}.yaml", "may", "june", "--name")
        assert dimm(f"init two.{kind} --name may --out {kind}.yaml")[0] == 0
        assert dimm(f"learn two.{kind} --name may --bootstrap 0 --out net.bif")[0] == 0
        for verb in ("count two.{0} net.bif --out seen.csv", "recover net.bif two.{0} --out seen.csv"):
            status, _, err = dimm(verb.format(kind))
            assert status == 1 and "--name" in err and err.count("\n") == 1
            assert dimm(verb.format(kind) + " --name june")[0] == 0
        status, text, _ = dimm(f"attribute net.bif two.{kind} --name june --method dimm --json -")
        assert status == 0 and json.loads(text)["rows"] == {"a": 90, "b": 90}
        assert json.loads(text)["about"]["counts"] == f"two.{kind}"
        refused(dimm, f"attribute net.bif two.{kind} --name july", "july")
    (folder / "weeks.csv").write_text("week,a,a,b,b\n,x,y,u,v\n12,70,30,50,50\n13,60,40,51,49\n")
    (folder / "long.csv").write_text("week,node,state,count\n" + "".join(
        f"{week},{node},{state},{count}\n" for week, counts in (("12", (70, 30, 50, 50)), ("13", (60, 40, 51, 49)))
        for (node, state), count in zip((("a", "x"), ("a", "y"), ("b", "u"), ("b", "v")), counts)))
    for report in ("weeks.csv", "long.csv"):
        refused(dimm, f"attribute net.bif {report} --method dimm --period 14", "'14'", report)
        for week, x in (("12", .7), ("13", .6)):
            status, text, _ = dimm(f"attribute net.bif {report} --method dimm --json - --period {week} --metric a=x")
            assert status == 0 and json.loads(text)["metric"]["observed"] == pytest.approx(x)
        assert dimm(f"count {report} net.bif --report --period 13 --out c.csv")[0] == 0
    assert "a,x,60" in (folder / "c.csv").read_text()


def test_a_report_names_its_maker_and_a_terminal_gets_colour(dimm, folder, monkeypatch):
    (folder / "c.csv").write_text(counts_csv())
    assert dimm("attribute asia c.csv --method dimm --html r.html --by Ana")[0] == 0
    assert (", by Ana<" in (folder / "r.html").read_text()
            and "dimm attribute asia c.csv" in (folder / "r.html").read_text())
    answer = dimm_nb.attribute("asia", "c.csv", method="dimm")
    text, plain = cli.coloured(answer), answer.summary(width=cli.columns())
    doubt = plain[:plain.index("\nAbout")]
    assert text.startswith("\x1b[") and click.unstyle(text) == plain
    assert click.unstyle(text[:text.rindex("\x1b[0m") + 4]) == doubt, "the whole first sentence, and nothing else"
    assert "\x1b" not in dimm("attribute asia c.csv --method dimm")[1], "no colours where nobody sees them"


def test_a_sign_of_life_is_no_part_of_what_is_said(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with files.waiting("solving") as say:
        say("first")
        time.sleep(1.2)
        say("second")
    out, err = capsys.readouterr()
    assert out == "first\nsecond\n" and "solving … 1 s" in err and err.endswith("\r")
    assert err.split("\r")[-2].strip() == "", "it leaves no trace"


def test_doubt_has_a_status_of_its_own_where_asked_for(dimm):
    Path("good.csv").write_text(counts_csv())  # half and half at every node: nothing on one node explains it
    for line, wanted in (("--strict", 3), ("", 0)):
        status, out, _ = dimm(f"attribute asia good.csv --nodes xray --method dimm {line}")
        assert status == wanted and out.startswith("With care: no mixture") and max(map(len, out.splitlines())) <= 80


def test_help_is_in_the_order_of_work_and_cut_nowhere(dimm):
    _, out, _ = dimm("--help")
    lines = out.split("Commands:")[1].split("\n\n")[0].strip().splitlines()
    listed = [line.split()[0] for line in lines]
    assert not any("..." in line for line in lines)
    order = ["demo", "learn", "count", "attribute", "recover", "app"]
    assert [verb for verb in listed if verb in order] == order
    assert "3 answered" in out and "_DIMM_COMPLETE" in out


# tables: learn and count


SHOP = "Device,Cart\n" + "phone,no\n" * 30 + "phone,yes\n" * 5 + "desktop,no\n" * 10 + "desktop,yes\n" * 15


def test_learn_and_count(dimm, folder):
    (folder / "stable.csv").write_text(SHOP)
    (folder / "tiers.yaml").write_text("tiers: [[Device], [Cart]]\n")
    status, out, err = dimm("learn stable.csv --tiers tiers.yaml --out net.bif --other --smoothing 2")
    assert status == 0 and "searching a graph over 2 features with 60 of 60 rows" in out and "2 nodes, 1 edges" in out
    net = dimm_nb.CausalNetwork.from_bif("net.bif")
    assert net.parents[net.names.index("Cart")] and net.states[0] == ("desktop", "phone", "(other)")
    (folder / "later.csv").write_text(SHOP.replace("phone,yes", "watch,yes"))
    status, out, err = dimm("count later.csv net.bif --out counts.csv")
    assert (
        status == 0
        and "rows: 60" in out
        and "5 rows (8.33%) with a value that is no state ('watch') counted as '(other)'" in err
    )
    assert dict(pd.read_csv("counts.csv").set_index("state")["count"]) | {"(other)": 5} == {
        "desktop": 25,
        "phone": 30,
        "no": 40,
        "yes": 20,
        "(other)": 5,
    }
    (folder / "report.csv").write_text("feature,value,count\nDevice,phone,9\nDevice,desktop,3\nCart,no,7\nCart,yes,4\n")
    status, out, err = dimm("count report.csv net.bif --report --out reported.csv")
    assert status == 0 and "totals differ" in err


def test_a_draft_is_one_command_away_and_learns(dimm, folder):
    rows = pd.DataFrame({"visit": [f"v{k}" for k in range(1200)], "site": "DE",
                         "seconds": [k * 1.7 % 97 for k in range(1200)]})
    rows = rows.assign(device=["phone", "desktop", "phone"] * 400, bought=["no", "yes"] * 600)
    rows.to_csv("stable.csv", index=False)
    status, out, err = dimm("learn stable.csv --out net.bif")
    assert (status == 1 and "3 of 5 columns need a decision (dimm init drafts it)" in err and "column 'site'" in err
            and not (folder / "net.bif").exists())
    status, out, err = dimm("init stable.csv")
    assert status == 0 and "tiers.yaml: 3 features, 1 of them cut, 0 grouped; 2 columns left out" in out
    assert "dimm learn stable.csv --tiers tiers.yaml --out net.bif" in out
    status, out, err = dimm("learn stable.csv --tiers tiers.yaml --out net.bif --bootstrap 1")
    assert status == 0 and dimm_nb.CausalNetwork.from_bif("net.bif").names == ("seconds", "device", "bought")
    assert "tables rest on 1,200 rows" in out
    (folder / "tiers.yaml").write_text("tiers: [[device], [bought]]")
    status, out, err = dimm("init stable.csv")
    assert (status == 2 and "is there already" in err
            and (folder / "tiers.yaml").read_text() == "tiers: [[device], [bought]]")
    assert dimm("init nothing.csv --out x.yaml")[0] == 1 and not (folder / "x.yaml").exists()


def test_learn_says_which_arrows_are_open(dimm, folder):
    (folder / "stable.csv").write_text(SHOP)
    status, out, err = dimm("learn stable.csv --out net.bif")
    told = "learned without tiers: 1 of 1 arrows could as well point the other way (Device → Cart)"
    assert status == 0 and told in err and "arrows" not in out, "said once"
    (folder / "tiers.yaml").write_text("tiers: [[Device], [Cart]]\n")
    status, out, err = dimm("learn stable.csv --tiers tiers.yaml --out net.bif")
    assert status == 0 and "the data orient all 1 arrows" in out and err == ""


@pytest.mark.parametrize("words", ["--tiers own.yaml --out own.yaml", "--graph graph.txt --out graph.txt"])
def test_learn_never_replaces_what_it_reads(words, dimm, folder):
    (folder / "stable.csv").write_text(SHOP)
    (folder / "own.yaml").write_text("tiers: [[Device], [Cart]]\n")
    (folder / "graph.txt").write_text("Graph Nodes:\nDevice;Cart\n\nGraph Edges:\n1. Device --> Cart\n")
    status, _out, err = dimm(f"learn stable.csv {words}")
    assert (status == 2 and "which is read: name another file" in err
            and not (folder / words.split()[1]).read_text().startswith("network"))


def test_a_graph_of_tetrad_s_gets_tables(dimm, folder):
    (folder / "stable.csv").write_text(SHOP)
    (folder / "graph.txt").write_text("Graph Nodes:\nDevice;Cart\n\nGraph Edges:\n1. Cart --- Device\n")
    (folder / "tiers.yaml").write_text("tiers: [[Device], [Cart]]\n")
    assert dimm("learn stable.csv --graph graph.txt --tiers tiers.yaml --out net.bif")[0] == 0
    assert dimm_nb.CausalNetwork.from_bif("net.bif").parents == ((), (0,))
    status, _out, err = dimm("learn stable.csv --graph graph.txt --out other.bif")
    assert status == 1 and "1 edges have no direction, Cart --- Device" in err


@pytest.mark.parametrize("line, words", [
    ("learn none.csv --out net.bif", ["none.csv", "no such file"]),
    ("learn stable.csv --tiers none.yaml --out net.bif", ["none.yaml"]),
    ("learn stable.csv --tiers odd.yaml --out net.bif", ["the tiers name 'Kart'", "did you mean 'Cart'?"]),
    ("learn stable.csv --tiers cycle.yaml --out net.bif", ["cycle"]),
    ("learn constant.csv --out net.bif", ["'site' has the one value 'DE'"]),
    ("learn cut.parquet --out net.bif", ["cut.parquet cannot be read as Parquet"]),
    ("learn stable.csv --out stable.csv", ["would replace 'stable.csv', which is read"]),
    ("count stable.csv asia --out counts.csv",
     ["stable.csv", "name every node of the network, for a table of rows; found 'Device'"]),
    ("count cut.parquet asia --out counts.csv", ["cut.parquet cannot be read as Parquet"]),
    ("count stable.csv asia --report --out counts.csv", ["stable.csv", "no column 'node'"]),
    ("count stable.csv asia --report --name x --out counts.csv", ["stable.csv is one table"]),
    ("count stable.csv asia --out stable.csv", ["would replace 'stable.csv', which is read"]),
])
def test_bad_tables_are_refused(dimm, folder, line, words):
    (folder / "stable.csv").write_text(SHOP)
    (folder / "constant.csv").write_text("site,Cart\nDE,yes\nDE,no\n")
    (folder / "cut.parquet").write_bytes(b"PAR1....")
    (folder / "odd.yaml").write_text("tiers: [[Kart]]")
    (folder / "cycle.yaml").write_text("required: [[Device, Cart], [Cart, Device]]")
    before = sorted(os.listdir())
    status, _out, err = dimm(line)
    assert status in (1, 2) and err.count("\n") == 1 and err.startswith("dimm: ") and all(word in err for word in words)
    assert sorted(os.listdir()) == before


# quiet periods


def test_placebo_holds_each_quiet_period_against_the_others(dimm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed in range(3):
        assert dimm(f"simulate asia --interventions 0 --rows 3000 --seed {seed} --out p{seed}.csv")[0] == 0
    status, out, _ = dimm("placebo asia p0.csv p1.csv p2.csv --csv t.csv --strict")
    assert status == 0 and "Of 3 quiet periods" in out and "none would have" in out
    assert (tmp_path / "t.csv").read_text().splitlines()[1].startswith("p0.csv,0,")
    assert dimm("placebo asia p0.csv p1.csv --quiet --nodes smoke")[1] == ""
    for line, code, says in (("placebo asia p0.csv", 1, "two or more"), ("placebo asia p0.csv p0.csv", 2, "twice"),
                             ("placebo asia p0.csv p1.csv --csv p1.csv", 2, "p1.csv"), ("placebo asia", 2, "PERIODS"),
                             ("attribute asia p0.csv --baseline p0.csv", 1, "also the stable one"),
                             ("attribute asia p0.csv --rows -1", 2, "--rows"),
                             ("attribute asia p0.csv --cluster who", 1, "no column 'who'")):
        status, _, err = dimm(line)
        assert status == code and says in err, line
    status, out, _ = dimm("attribute asia p0.csv --baseline p1.csv --baseline p2.csv --rows inf")
    assert status == 0 and "taken as exact" not in out
