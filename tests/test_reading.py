"Counts, reports and rows as people have them: every dialect read rightly, or refused with the way out."

import codecs
import csv
import gzip
import io
import os
import re
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from dimm_nb.mixture.cells import (
    MISSING,
    OTHER,
    States,
    bin_labels,
    column_numbers,
    decimal_sign,
    look_up,
    place_value,
    read_number,
    same_label,
    text_of,
)
from dimm_nb.mixture.marginals import count_report, read_counts, read_period, rounding_step, write_counts
from dimm_nb.mixture.tables import open_sheet, read_rows, scanned_columns, sheet_columns, write_table
from dimm_nb.network.axis import CountsWarning, Marginals
from dimm_nb.network.network import CausalNetwork, load_network

few = settings(max_examples=20, deadline=None)
ASIA = load_network("asia")


def network(**states):
    return CausalNetwork(
        list(states), list(states.values()), [()] * len(states), [np.full(len(s), 1 / len(s)) for s in states.values()]
    )


SHOP = network(Channel=["Organic Search", "Paid Search", OTHER], Device=["desktop", "mobile"], Purchase=["no", "yes"])
SHOP_COUNTS = [
    ("Channel", "Organic Search", 2662),
    ("Channel", "Paid Search", 8829),
    ("Channel", OTHER, 509),
    ("Device", "desktop", 4454),
    ("Device", "mobile", 7546),
    ("Purchase", "no", 11336),
    ("Purchase", "yes", 664),
]
ABC = network(A=["no", "yes"], B=["no", "yes"], C=["no", "yes"])


def csv_text(rows, header="node,state,count", delimiter=","):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows([header.split(","), *rows])
    return out.getvalue()


PLAIN = csv_text(SHOP_COUNTS)


def period(tmp_path, text, net=SHOP, name="report.csv", **options):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_period(net, path, **options)


# one cell


@given(st.integers(0, 10**12), st.sampled_from([",", "'", " ", "\u00a0", "\u2009", "\u202f", "’"]))
def test_thousands_are_read_back(n, sign):
    assert read_number(f"{n:,}".replace(",", sign)) == (n, False)
    assert read_number(f"{n:,}".replace(",", sign), ".") == (n, False)


@given(st.integers(1, 10**9), st.integers(0, 99))
def test_european_numbers_are_read_back(whole, hundredths):
    text = f"{whole:,}".replace(",", ".") + f",{hundredths:02d}"
    assert read_number(text, ",")[0] == pytest.approx(whole + hundredths / 100, rel=1e-12)
    assert decimal_sign([text]) == ","


@given(st.text(max_size=12))
def test_no_text_is_read_as_a_number_that_it_is_not(text):
    try:
        number, _ = read_number(text)
    except ValueError:
        return
    digits = re.sub(r"\D", "", text.split("e")[0].split("E")[0])
    assert np.isnan(number) or (digits and np.isfinite(number)) or number == np.inf


@given(st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=8, unique=True))
def test_a_label_always_finds_itself(labels):
    known = same_label(labels)
    assert [look_up(known, label) for label in labels] == labels


words = st.one_of(
    st.text(max_size=5),
    st.sampled_from(
        [
            "1",
            "01",
            "1.0",
            "1.10",
            "1.1",
            "True",
            "TRUE",
            "yes",
            "no",
            "0",
            "NA",
            "",
            "(missing)",
            "(other)",
            "nan",
            "<1",
            ">=1",
        ]
    ),
)


@given(st.lists(words, min_size=1, max_size=6, unique=True), words)
def test_text_that_equals_a_state_is_that_state(states, text):
    known = States.of("x", states)
    assert [place_value(known, state) for state in states] == [(state, "state") for state in states]
    try:
        state, _ = place_value(known, text)
    except ValueError as error:
        assert "may be" in str(error) and text not in states
    else:
        assert state is None or state in states


@pytest.mark.parametrize(
    "states, cell, meant",
    [
        (["1.1", "1.10", "1.2"], "1.10", "1.10"),
        (["01", "02", "10"], "01", "01"),
        (["01", "02", "10"], "2", "02"),
        (["1", "2"], "1.0", "1"),
        (["0", "1"], "TRUE", "1"),
        (["False", "True"], "1", "True"),
        (["no", "yes", MISSING], "False", "no"),
        (["a", "b"], " A ", "a"),
        (["0", "1", "2"], "yes", None),
        (["1", "3"], "true", None),
        (["12345678901234567", "2"], "12345678901234568", None),
        (["a", "b", MISSING], "N/A", MISSING),
        (["NA", "b", MISSING], "NA", "NA"),
        (["a", OTHER], "zzz", OTHER),
        (["a", "b"], "-", None),
    ],
)
def test_a_cell_means_one_state_or_none(states, cell, meant):
    assert place_value(States.of("x", states), cell)[0] == meant


@pytest.mark.parametrize(
    "states, cell",
    [(["1.1", "1.10"], "1.100"), (["Yes", "YES"], "yes"), (["1", "01"], "1.0"), (["true", "1", "no"], "TRUE ")],
)
def test_two_candidates_are_refused(states, cell):
    if cell == "TRUE ":  # no yes and no: one candidate by its letters
        assert place_value(States.of("x", states), cell) == ("true", "alike")
        return
    with pytest.raises(ValueError, match=r"node 'x': .* may be '.*' or '.*': write one of them as it stands"):
        place_value(States.of("x", states), cell)


@pytest.mark.parametrize(
    "values, found",
    [
        (["23", "41,5", "67,25"], [23, 41.5, 67.25]),
        (["1.234", "5.5"], [1.234, 5.5]),
        (["1.234", "5,5"], [1234, 5.5]),
        (["1,234", "5.5"], [1234, 5.5]),
        (["1.234.567", "2.000"], [1234567, 2000]),
        (["1.234"], [1.234]),
    ],
)
def test_a_column_is_read_with_one_sign(values, found):
    assert column_numbers(values).tolist() == found


@pytest.mark.parametrize(
    "values, semicolons", [(["1,234", "7"], False), (["1.234", "7"], True), (["12.5", "41,5"], False)]
)
def test_a_column_that_could_be_two_things_is_refused(values, semicolons):
    with pytest.raises(ValueError, match="may be 1234|write all numbers alike"):
        column_numbers(values, semicolons)


@pytest.mark.parametrize(
    "shares, step",
    [
        ([0.12, 0.88], 0.01),
        ([0.5, 0.5], 0.1),
        ([1.0, 0.0], 1.0),
        ([1 / 3, 2 / 3], 0.0),
        ([0.123456789, 0.876543211], 1e-9),
        ([0.1234567891, 0.8765432109], 0.0),
    ],
)
def test_the_step_of_rounding_is_found(shares, step):
    assert rounding_step(np.array(shares)) == pytest.approx(step, abs=0)


def test_rounding_costs_as_many_rows_as_its_variance(tmp_path):
    "A uniform error of ±h/2 has the variance h²/12; p(1 − p)/n at ½ is 1/4n: so 1/n' = 1/n + 4·h²/12."
    n, step = 1000, 0.01
    frequency = np.random.default_rng(0).binomial(n, 0.487, 100_000) / n
    variance = np.var(frequency.round(2))
    seen = period(
        tmp_path,
        csv_text([(node, state, f"{share} %") for node, state, share in (("x", "a", 48), ("x", "b", 52))]),
        network(x=["a", "b"]),
        totals=n,
    )
    # the variance of 1e5 draws is known to √(2/1e5) = .45 %, four times that is allowed
    assert 0.25 / seen.marginals.n[0] == pytest.approx(variance, rel=0.018)
    assert seen.marginals.n[0] == pytest.approx(1 / (1 / n + 4 * step**2 / 12))


# dialects


DIALECTS = {
    "plain": PLAIN,
    "semicolons": PLAIN.replace(",", ";"),
    "tab": PLAIN.replace(",", "\t"),
    "comments on top": "# ---\n# Report, all users\n# 20240101-20240131\n# ---\n\n" + PLAIN,
    "a comment below": PLAIN + "# end of report\n",
    "a title on top": "Report of January\n\n" + PLAIN,
    "a comma at the end": PLAIN.replace("\r\n", ",\r\n").replace("count,", "count", 1),
    "a comma at every end": PLAIN.replace("\r\n", ",\r\n"),
    "Excel's first line": "sep=,\n" + PLAIN,
    "Excel's first line with another sign": "sep=;\n" + PLAIN.replace(",", ";"),
    "blank lines": "\n\n" + PLAIN.replace("\r\n", "\r\n\r\n"),
    "lines of blank cells": PLAIN.replace("\r\n", "\r\n,,\r\n"),
    "a header in capitals": PLAIN.replace("node,state,count", "NODE,State , Count"),
    "labels in capitals": csv_text([(a.upper(), f"{b.lower()}  ", n) for a, b, n in SHOP_COUNTS]),
    "thousands": csv_text([(a, b, f"{n:,}") for a, b, n in SHOP_COUNTS]),
    "some thousands": csv_text([(a, b, f"{n:,}" if n == 2662 else n) for a, b, n in SHOP_COUNTS]),
    "thin spaces": csv_text([(a, b, f"{n:,}".replace(",", "\u202f")) for a, b, n in SHOP_COUNTS]),
    "apostrophes": csv_text([(a, b, f"{n:,}".replace(",", "'")) for a, b, n in SHOP_COUNTS]),
    "European thousands": csv_text([(a, b, f"{n:,}".replace(",", ".")) for a, b, n in SHOP_COUNTS], delimiter=";"),
    "plus signs and exponents": csv_text([(a, b, f"+{n}" if n < 1000 else f"{n:.5E}") for a, b, n in SHOP_COUNTS]),
    "points and zeros": csv_text([(a, b, f"{n}.0") for a, b, n in SHOP_COUNTS]),
    "percent beside counts": csv_text(
        [(a, b, f"{n / 20:.1f} %", n) for a, b, n in SHOP_COUNTS], "node,state,percent,count"
    ),
    "other columns": csv_text([(n, "x", a, b) for a, b, n in SHOP_COUNTS], "Hits,note,Feature,Value"),
    "a report's words": csv_text(SHOP_COUNTS, "Dimension,Item,Sessions"),
    "German words": csv_text(SHOP_COUNTS, "Merkmal,Ausprägung,Anzahl"),
    "no header": csv_text(SHOP_COUNTS).split("\n", 1)[1],
    "a byte order mark": "\ufeff" + PLAIN,
    "UTF-16": PLAIN.encode("utf-16"),
    "UTF-16 with tabs": PLAIN.replace(",", "\t").encode("utf-16"),
    "UTF-16, big end first": codecs.BOM_UTF16_BE + PLAIN.encode("utf-16-be"),
    "UTF-16 without its mark": PLAIN.encode("utf-16-le"),
    "gzip": gzip.compress(PLAIN.encode()),
    "old line ends": PLAIN.replace("\r\n", "\r"),
    "a total a feature": csv_text([*SHOP_COUNTS, *((node, "Total", 12000) for node in SHOP.names)]),
    "a sum in another language": csv_text([*SHOP_COUNTS, ("Channel", "Gesamtergebnis", "12,000")]),
    "a sum called Sum": csv_text([*SHOP_COUNTS, ("Channel", "Sum", 12000)]),
    "a nameless total": csv_text([*SHOP_COUNTS, ("Device", "", 12000)]),
    "a grand total": csv_text([*SHOP_COUNTS, ("Grand total", "", 36000)]),
    "another feature": csv_text([*SHOP_COUNTS, ("Browser", "Lynx", 5)]),
    "a line a node": csv_text(
        [
            ("Channel", 2662, 8829, 509, "", "", "", "", 12000),
            ("Device", "", "", "", 4454, 7546, "", "", 12000),
            ("Purchase", "", "", "", "", "", 11336, 664, 12000),
        ],
        "what,Organic Search,Paid Search,(other),desktop,mobile,no,yes,Grand Total",
    ),
    "node and state in one header": csv_text(
        [["January", *(n for *_, n in SHOP_COUNTS)]], "month," + ",".join(f"{a}: {b}" for a, b, _ in SHOP_COUNTS)
    ),
    "two header rows": csv_text(
        [["", *(b for _, b, _ in SHOP_COUNTS)], ["January", *(n for *_, n in SHOP_COUNTS)]],
        "week,Channel,,,Device,,Purchase,",
    ),
    "two header rows with totals": csv_text(
        [
            ["Organic Search", "Paid Search", OTHER, "Total", "desktop", "mobile", "Total", "no", "yes", "Total"],
            [2662, 8829, 509, 12000, 4454, 7546, 12000, 11336, 664, 12000],
        ],
        "Channel,,,,Device,,,Purchase,,",
    ),
}


@pytest.mark.parametrize("text", DIALECTS.values(), ids=DIALECTS)
def test_a_report_is_read_in_every_dialect(text, tmp_path):
    assert period(tmp_path, text).marginals.counts.tolist() == [n for *_, n in SHOP_COUNTS]


@pytest.mark.parametrize("name", ["semicolons", "labels in capitals", "thousands", "a total a feature", "plain"])
def test_every_verb_reads_the_same(name, tmp_path):
    path = tmp_path / "report.csv"
    path.write_text(DIALECTS[name])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CountsWarning)
        assert count_report(path, SHOP) == read_period(SHOP, path).marginals
    if name in ("semicolons", "thousands", "plain"):
        assert read_counts(path).values.tolist() == [list(row) for row in SHOP_COUNTS]


def test_what_was_done_is_said_once(tmp_path):
    path = tmp_path / "report.csv"
    path.write_text(
        csv_text(
            [
                ("Channel", "paid search", 8829),
                *(row for row in SHOP_COUNTS if row[1] != "Paid Search"),
                ("Channel", "Sum", 12000),
                ("Browser", "x", 3),
            ]
        )
    )
    with pytest.warns(CountsWarning) as said:
        count_report(path, SHOP)
    [warning] = said
    text = str(warning.message)
    assert warning.filename == __file__, "at the caller's line"
    for words in (
        "'Sum' with 12,000 is the sum of the others: checked, and left out",
        "'paid search' as 'Paid Search'",
        "1 feature that the network does not have left aside: 'Browser'",
    ):
        assert words in text
    assert len(read_period(SHOP, path).notes) == 3 and read_period(SHOP, path).doubtful == ()


def without(node):
    return [row for row in SHOP_COUNTS if row[0] != node]


BAD = {
    "other state names": (
        csv_text([(a, {"yes": "yess", "no": "non"}.get(b, b), n) for a, b, n in SHOP_COUNTS]),
        ["node 'Purchase': none of its values is a state of the network: found 'non', 'yess'; did you mean 'no'?"],
    ),
    "other node names": (
        csv_text([("Devise" if a == "Device" else a, b, n) for a, b, n in SHOP_COUNTS]),
        ["line 5: the network has no node 'Devise'; did you mean 'Device'?"],
    ),
    "percent signs": (csv_text([(a, b, "50 %") for a, b, n in SHOP_COUNTS]), ["percentages", "totals"]),
    "shares": (
        csv_text([(a, b, 1 / 3 if a == "Channel" else 0.5) for a, b, n in SHOP_COUNTS]),
        ["percentages", "totals"],
    ),
    "a decimal point or thousands": (csv_text([(a, b, "1.234") for a, b, n in SHOP_COUNTS]), ["line 2", "1234"]),
    "two decimal signs": (
        csv_text([("Channel", "Organic Search", "12.5"), ("Device", "desktop", "41,5")]),
        ["'12.5' has a point", "'41,5' a comma"],
    ),
    "halves": (csv_text([(a, b, 12.5) for a, b, n in SHOP_COUNTS]), ["whole number", "12.5", "line 2"]),
    "minus": (csv_text([(a, b, -n) for a, b, n in SHOP_COUNTS]), ["line 2", "-2662"]),
    "a word": (csv_text([(a, b, "many") for a, b, n in SHOP_COUNTS]), ["line 2", "'many'"]),
    "a cell left empty": (
        csv_text([*SHOP_COUNTS[:-1], ("Purchase", "yes", "")]),
        ["line 8", "node 'Purchase', state 'yes'", "not ''"],
    ),
    "too much": (csv_text([*SHOP_COUNTS[:-1], ("Purchase", "yes", "1e30")]), ["line 8", "2^53"]),
    "nothing": ("", ["no column 'node'", "empty"]),
    "a header alone": (csv_text([]), ["empty"]),
    "zeros": (csv_text([(a, b, 0) for a, b, n in SHOP_COUNTS]), ["empty"]),
    "a node of zeros": (
        csv_text([*without("Device"), ("Device", "desktop", 0), ("Device", "mobile", 0)]),
        ["node 'Device'"],
    ),
    "a node missing": (csv_text(without("Device")), ["no counts for node 'Device'"]),
    "a line twice": (
        csv_text([*SHOP_COUNTS, ("device", "MOBILE", 3)]),
        ["line 9", "node 'Device', state 'mobile' is counted twice"],
    ),
    "the same line twice": (csv_text([*SHOP_COUNTS, ("Device", "mobile", 3)]), ["line 9", "counted twice"]),
    "an open quote": (csv_text(SHOP_COUNTS) + '"Device', ["line 9", "not CSV"]),
    "too few cells": (csv_text([*SHOP_COUNTS, ("Device", "mobile")]), ["line 9: 2 cells where the header has 3"]),
    "thousands without quotes": (
        PLAIN.replace("8829", "8,829"),
        ["line 3: 4 cells where the header has 3", "in quotes"],
    ),
    "two columns of counts": (
        csv_text([(*row, 3) for row in SHOP_COUNTS], "node,state,hits,visits"),
        ["line 1", "two columns 'hits' and 'visits' for the count"],
    ),
    "a total that does not match": (
        csv_text([*SHOP_COUNTS, ("Device", "Total", 12001)]),
        ["line 9", "'Total' has 12,001", "12,000", "is a line missing?"],
    ),
    "a total by another name that does not match": (
        csv_text([*SHOP_COUNTS, ("Device", "Running total", 12001)]),
        ["line 9", "'Running total' has 12,001", "is a line missing?"],
    ),
    "a grand total that does not match": (
        csv_text([*SHOP_COUNTS, ("Grand total", "", 36001)]),
        ["line 9", "is a line missing?"],
    ),
    "cut in a number": (
        PLAIN.split("336")[0],
        [
            "node 'Purchase' has 11 rows where 'Channel' has 12,000",
            "no line for 'yes'",
            "allow_missing=True (--allow-missing)",
        ],
    ),
    "cut after a line": (
        PLAIN.split("Purchase,yes")[0],
        ["node 'Purchase' has 11,336 rows", "no line for 'yes'", "end too soon"],
    ),
    "two periods in a wide table": (csv_text([[1, 2], [3, 4]], "x: a,x: b"), ["line 3: a second line of numbers"]),
    "no text": (bytes(range(256)), ["not a UTF-8 text file"]),
    "an old code page": (
        "Dévice,état,nombre\nDevice,mobile,3\n".encode("latin-1"),
        ["not a UTF-8 text file: save it as CSV UTF-8"],
    ),
    "half a gzip file": (gzip.compress(PLAIN.encode())[:40], ["cannot be read as gzip: is it whole?"]),
    "a zip file": (b"PK\x03\x04" + bytes(100), ["Excel"]),
    "an old Excel file": (b"\xd0\xcf\x11\xe0" + bytes(100), ["old Excel file (.xls): save it as .xlsx or CSV"]),
    "JSON": ('{"Device": {"mobile": 3}}', ["should be node,state,count"]),
}


@pytest.mark.parametrize("text, words", BAD.values(), ids=BAD)
def test_what_cannot_be_read_is_refused_with_its_place(text, words, tmp_path):
    net = network(x=["a", "b"]) if "x: a" in str(text) else SHOP
    with pytest.raises(ValueError) as error:
        period(tmp_path, text, net)
    assert str(error.value).startswith(str(tmp_path / "report.csv")) and len(str(error.value)) < 1500
    assert all(word in str(error.value) for word in words), error.value


def test_a_cut_file_goes_on_when_told_to(tmp_path):
    seen = period(tmp_path, PLAIN.split("336")[0], allow_missing=True)
    assert seen.marginals.n.tolist() == [12000, 12000, 11]
    assert any("totals differ between nodes, from 11 (Purchase) to 12,000 (Channel)" in note for note in seen.doubtful)


def test_totals_that_differ_a_little_are_kept_and_said(tmp_path):
    seen = period(tmp_path, csv_text([*without("Device"), ("Device", "desktop", 4000), ("Device", "mobile", 7000)]))
    assert seen.marginals.n.tolist() == [12000, 11000, 12000] and "from 11,000 (Device)" in seen.doubtful[0]


def test_unknown_values_are_counted_as_other_where_there_is_one(tmp_path):
    seen = period(
        tmp_path,
        csv_text(
            [
                *(row for row in SHOP_COUNTS if row[1] != OTHER),
                ("Channel", "Podcast", 300),
                ("Channel", "(others)", 209),
            ]
        ),
    )
    assert seen.marginals.counts["Channel", OTHER] == 509
    text = "\n".join(seen.notes)
    assert (
        "300 rows (2.50%) with a value that is no state ('Podcast') counted as '(other)'" in text
        and "209 rows (1.74%) in a bucket" in text
    )


@pytest.mark.parametrize("lost, stops", [(100, False), (200, True)])
def test_more_than_one_row_in_a_hundred_stops(lost, stops, tmp_path):
    rows = [
        *without("Device"),
        ("Device", "desktop", 4454),
        ("Device", "mobile", 7546 - lost),
        ("Device", "watch", lost),
    ]
    if stops:
        with pytest.raises(
            ValueError,
            match=rf"node 'Device': {lost} rows with a value .* \('watch'\), 1.67% of 12,000.*allow_missing=True",
        ):
            period(tmp_path, csv_text(rows))
    seen = period(tmp_path, csv_text(rows), allow_missing=stops)
    assert (
        seen.marginals.n.tolist() == [12000, 12000 - lost, 12000]
        and f"{lost} rows with a value that is no state ('watch')" in seen.doubtful[0]
    )


def test_more_than_half_is_no_counting(tmp_path):
    rows = [*without("Device"), ("Device", "desktop", 15), ("Device", "fridge", 11985)]
    with pytest.raises(ValueError, match="that is more than half"):
        period(tmp_path, csv_text(rows), allow_missing=True)


def test_percentages_with_totals_are_read(tmp_path):
    shares = {name: {"yes": f"{12.345 + j:.3f}%", "no": f"{87.655 - j:.3f} %"} for j, name in enumerate(ASIA.names)}
    seen = read_period(ASIA, shares, totals=10_000).marginals
    np.testing.assert_allclose(seen.p[::2], 0.12345 + 0.01 * np.arange(8))
    assert (seen.n <= 10_000).all() and (seen.n > 9000).all()
    each = read_period(ASIA, shares, totals={name: 100 * (j + 1) for j, name in enumerate(ASIA.names)}).marginals
    np.testing.assert_allclose(each.n, 100 * np.arange(1, 9), rtol=1e-2)
    comma = csv_text([("x", "a", "12,5 %"), ("x", "b", "87,5 %"), ("x", "Total", "100 %")], delimiter=";")
    np.testing.assert_allclose(period(tmp_path, comma, network(x=["a", "b"]), totals=1e6).marginals.p, [0.125, 0.875])
    for totals in (0, -3, True, "many", float("nan"), {"x": 3}):
        with pytest.raises(ValueError, match="total"):
            read_period(ASIA, shares, totals=totals)


@pytest.mark.parametrize(
    "states, lines, counts",
    [
        (bin_labels([18, 30]), [("17", 3), ("18.5", 4), ("29,9", 5), ("<18", 1)], [4, 9, 0]),
        ([*bin_labels([18, 30]), OTHER, MISSING], [("3", 3), ("45", 4), ("old", 5), ("(not set)", 1)], [3, 0, 4, 5, 1]),
    ],
)
def test_numbers_in_a_report_are_cut(states, lines, counts, tmp_path):
    text = csv_text([("age", value.replace(".", ","), n) for value, n in lines], delimiter=";")
    assert period(tmp_path, text, network(age=states)).marginals.counts.tolist() == counts


def test_a_folder_holds_a_file_a_feature(tmp_path):
    for node in SHOP.names:
        (tmp_path / f"{node.lower()}.csv").write_text(
            csv_text([(b, f"{n:,}") for a, b, n in SHOP_COUNTS if a == node], f"{node} group,Total users")
        )
    (tmp_path / "Browser.csv").write_text("x\n")
    assert read_period(SHOP, tmp_path).marginals.counts.tolist() == [n for *_, n in SHOP_COUNTS]
    (tmp_path / "device.csv").write_text("a,b,c\n")
    with pytest.raises(
        ValueError, match=r"device.csv, line 1: the first line has no column for the count: call one of them 'count'"
    ):
        read_period(SHOP, tmp_path)


# files that are none


def test_what_has_no_end_is_refused_unread(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", "/dev/null", tmp_path / "pipe"):
        for read in (lambda p: read_period(SHOP, p), read_counts, lambda p: count_report(p, SHOP), read_rows):
            with pytest.raises(ValueError, match="is a pipe or a device, not a file"):
                read(path)
    for read in (lambda p: read_period(SHOP, p), read_rows):
        with pytest.raises(ValueError, match="folder without"):
            read(tmp_path)
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "nowhere.csv")


@pytest.mark.parametrize("path", [1, 0, None, b"x.csv", 3.5])
def test_a_number_is_no_path(path):
    with pytest.raises(ValueError, match="a file is named by its path"):
        read_counts(path)
    os.fstat(1)  # standard output is still open


def test_thousands_of_foreign_categories_are_said_in_a_few_words(tmp_path):
    path = tmp_path / "big.csv"
    with open(path, "w") as file:
        file.write("node,state,count\n")
        file.writelines(f"smoke,category {k},1\n" for k in range(50_000))
        file.writelines(f"{name},{state},1\n" for name, state in ASIA.index if name != "smoke")
    with pytest.raises(ValueError, match="node 'smoke': none of its values is a state") as error:
        read_period(ASIA, path)
    assert len(str(error.value)) < 1000
    with pytest.raises(ValueError) as error:
        read_period(ASIA, {"smoke": {f"s{k}" * 1000: 1 for k in range(100)}})
    assert len(str(error.value)) < 2000


# tables in memory


COUNTS = {node: {b: n for a, b, n in SHOP_COUNTS if a == node} for node in SHOP.names}
SERIES = pd.Series({(a, b): n for a, b, n in SHOP_COUNTS})


@pytest.mark.parametrize(
    "counts",
    [
        COUNTS,
        SERIES,
        SERIES.rename_axis(["node", "state"]),
        SERIES.swaplevel().rename_axis(["state", "node"]),
        SERIES.rename_axis(["Feature", "Value"]).rename("hits").reset_index(),
        SERIES.rename_axis(["node", "state"]).to_frame("count"),
        pd.DataFrame([SERIES.to_numpy()], columns=SERIES.index),
        pd.DataFrame(COUNTS).T.rename_axis("node"),
        SERIES.astype("Int64"),
        SERIES.astype(str),
        pd.DataFrame([SERIES.to_numpy()], columns=[f"{a}={b}" for a, b in SERIES.index]),
    ],
)
def test_counts_in_memory_in_every_shape(counts):
    assert read_period(SHOP, counts).marginals.counts.tolist() == [n for *_, n in SHOP_COUNTS]


@pytest.mark.parametrize("count", [None, True, [3], 3j, "", np.nan, pd.NA, -1, 1.5, np.inf, "1.234", {}, b"3"])
def test_what_is_no_count_is_refused(count):
    with pytest.raises(ValueError, match="'Device'|1234"):
        read_period(SHOP, COUNTS | {"Device": {"desktop": count, "mobile": 3}})


@pytest.mark.parametrize(
    "counts",
    [
        None,
        3,
        [1, 2],
        np.zeros(8, int),
        np.zeros((3, 8)),
        np.zeros((0, 3), int),
        np.full((2, 3), 9),
        pd.DataFrame(),
        {},
        {"tub": 3},
        {("tub", "yes"): 3},
        pd.Series([1, 2]),
        pd.Series(dtype=float),
        lambda: 3,
        "",
    ],
)
def test_what_is_no_period_is_refused(counts):
    with pytest.raises(ValueError) as error:
        read_period(SHOP, counts)
    assert str(error.value)


def test_two_labels_that_differ_in_case_only_are_kept_apart():
    net = CausalNetwork(("X", "x"), (("Yes", "YES"), ("a", "b")), ((), ()), (np.array([0.5, 0.5]),) * 2)
    seen = read_period(net, {"X": {"Yes": 3, "YES": 1}, "x": {"A": 1, "b": 3}})
    assert seen.marginals.counts.tolist() == [3, 1, 1, 3]
    with pytest.raises(ValueError, match="'yes' may be 'YES' or 'Yes'"):
        read_period(net, {"X": {"yes": 3}, "x": {"a": 1, "b": 3}})


def test_a_library_s_warnings_are_no_notes(monkeypatch):
    def warn(*_, **__):
        warnings.warn("a library's own", FutureWarning, stacklevel=2)
        return []

    monkeypatch.setattr("dimm_nb.mixture.marginals.said_of", warn)
    with pytest.warns(FutureWarning, match="a library's own"):
        assert read_period(SHOP, COUNTS).notes == ()


# rows


def rows_text(*lines, header="A,B,C"):
    return "\n".join([header, *lines]) + "\n"


TWENTY = ["no,no,no"] * 10 + ["yes,no,no"] * 6


@pytest.mark.parametrize(
    "bad, line",
    [
        ([*TWENTY, "no,no,no,yes"], 18),
        ([*TWENTY, "no,no"], 18),
        (["no,no,no,yes"] * 16, 2),
        (["no,no,no", "no,no", *TWENTY], 3),
        ([*TWENTY[:7], "a,b,c,d", *TWENTY], 9),
    ],
)
def test_a_row_of_another_length_is_named(bad, line, tmp_path):
    (tmp_path / "rows.csv").write_text(rows_text(*bad))
    for read in (lambda p: read_period(ABC, p), read_rows):
        with pytest.raises(ValueError, match=rf"rows.csv, line {line}: \d cells where the header has 3"):
            read(tmp_path / "rows.csv")


def test_a_row_with_a_blank_cell_more_lost_nothing(tmp_path):
    seen = period(tmp_path, rows_text(*(f"{line}," for line in TWENTY)), ABC)
    assert seen.marginals.counts.tolist() == [10, 6, 16, 0, 16, 0]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", "\t"),
        lambda text: text.replace("A,B,C", "c ,A,b").replace("yes,no,no", "no,yes,no"),
        lambda text: text.upper(),
        lambda text: "# rows\n\n" + text,
        lambda text: "sep=,\n" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.encode("utf-16"),
        lambda text: gzip.compress(text.encode()),
        lambda text: text.replace("no", "FALSE").replace("yes", "1"),
        lambda text: text.replace("yes", '"yes"'),
        lambda text: text.replace("no", " no "),
    ],
)
def test_rows_are_read_in_every_dialect(change, tmp_path):
    seen = period(tmp_path, change(rows_text(*TWENTY)), ABC)
    assert seen.marginals.counts.tolist() == [10, 6, 16, 0, 16, 0] and len(seen.codes) == 16


@pytest.mark.parametrize(
    "states, cells, counts",
    [
        (["1.1", "1.10", "1.2"], ["1.1"] * 30 + ["1.10"] * 30 + ["1.2"] * 40, [30, 30, 40]),
        (["01", "1", "2"], ["01"] * 30 + ["1"] * 30 + ["2"] * 40, [30, 30, 40]),
        (["01", "02", "10"], ["1"] * 30 + ["2"] * 30 + ["10"] * 40, [30, 30, 40]),
        (["1", "01", "1.0"], ["1"] * 50 + ["01"] * 30 + ["1.0"] * 20, [50, 30, 20]),
        (["True", "true"], ["True"] * 50 + ["true"] * 50, [50, 50]),
        (["NA", "b", MISSING], ["NA"] * 3 + ["b"] * 4 + ["N/A"] * 2 + [""], [3, 4, 3]),
        ([*bin_labels([20, 30]), MISSING], ["20.5", "19", "31,5".replace(",", "."), "-"], [1, 1, 1, 1]),
        (["x", "y"], ["x", "x ", " X", "y"], [3, 1]),
    ],
)
def test_cells_are_their_text_first_whatever_the_source(states, cells, counts, tmp_path):
    net, frame = network(v=states, w=["a"]), pd.DataFrame({"v": cells, "w": "a"})
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.to_parquet(tmp_path / "x.parquet")
    for table in (frame, tmp_path / "x.csv", tmp_path / "x.parquet"):
        assert read_period(net, table).marginals.counts.tolist()[:-1] == counts


def test_decimal_commas_of_a_french_export(tmp_path):
    net = network(age=bin_labels([30, 45.5]), device=["phone", "desk"])
    text = "\ufeffage;device\n" + "41,5;phone\n23;desk\n67,25;phone\n45,5;desk\n" * 10
    assert period(tmp_path, text, net).marginals.counts.tolist() == [10, 10, 20, 20, 20]
    with pytest.raises(ValueError, match="node 'age': '1.234' may be 1234"):
        period(tmp_path, "age;device\n1.234;phone\n", net)


def test_nothing_is_missing_where_the_network_says_so(tmp_path):
    net = network(N=["0", "1", MISSING], Buy=["no", "yes"])
    text = "N,Buy\n" + "0,no\n" * 60 + "1,no\n" * 30 + ",yes\n" * 9 + "NA,yes\n"
    seen = period(tmp_path, text, net)
    assert seen.marginals.counts.tolist() == [60, 30, 10, 90, 10] and len(seen.codes) == 100
    assert "10 rows (10.00%) without a value" in seen.notes[0]


@pytest.mark.parametrize("lost", [1, 2])
def test_rows_lost_are_said_or_stop(lost, tmp_path):
    text = rows_text(*(["no,no,no"] * (150 - lost)), *["no,?,no"] * lost)
    if lost == 2:
        with pytest.raises(
            ValueError,
            match=r"node 'B': 2 rows without a value \('\?'\), 1.33% of 150, cannot be counted.*--allow-missing",
        ):
            period(tmp_path, text, ABC)
    seen = period(tmp_path, text, ABC, allow_missing=lost == 2)
    assert seen.marginals.n.tolist() == [150, 150 - lost, 150] and len(seen.codes) == 150 - lost
    assert len(seen.doubtful) == 2 and seen.notes[:2] == seen.doubtful


@pytest.mark.parametrize("name", ["count", "COUNT(*)", "n", "rows"])
def test_a_group_by_export_is_as_many_rows_as_it_says(name, tmp_path):
    lines = [
        "no,no,no,270",
        "no,no,yes,130",
        "no,yes,no,5",
        "no,yes,yes,45",
        "yes,no,no,63",
        "yes,no,yes,27",
        "yes,yes,no,36",
        "yes,yes,yes,324",
    ]
    seen = period(tmp_path, rows_text(*lines, header=f"A,B,C,{name}"), ABC)
    assert (
        seen.marginals.counts.tolist() == [450, 450, 490, 410, 374, 526]
        and len(seen.codes) == 900
        and "900 rows in 8 lines" in seen.notes[0]
    )
    assert Marginals.from_codes(ABC, seen.codes) == seen.marginals
    with pytest.raises(ValueError, match="does it say how many rows each line stands for"):
        period(tmp_path, rows_text(*lines, *lines, header=f"A,B,C,{name}"), ABC)
    with pytest.raises(ValueError, match="does it say how many rows each line stands for"):
        period(tmp_path, rows_text(*lines, header="A,B,C,hits"), ABC)
    assert period(tmp_path, rows_text(*lines, *lines, header="A,B,C,hits"), ABC).marginals.n[0] == 16


@pytest.mark.parametrize(
    "header, words",
    [("A,B,B,C", "2 columns named 'B'"), ("A,b, B,C", "columns 'b' and ' B' for the node 'B': keep one")],
)
def test_columns_that_are_there_twice_are_refused(header, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        period(tmp_path, rows_text("no,no,no,no", header=header), ABC)


def test_rows_in_every_form(tmp_path):
    import ibis
    import polars
    import pyarrow

    codes = ASIA.sample(300, seed=1)
    table = ASIA.frame(codes)
    text = table.astype(str)
    table.to_csv(tmp_path / "rows.csv", index=False)
    text.to_parquet(tmp_path / "rows.parquet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text.to_excel(tmp_path / "rows.xlsx", index=False)
    forms = [
        codes,
        table,
        text,
        text.astype("string[pyarrow]"),
        text.rename(columns=str.title),
        tmp_path / "rows.csv",
        str(tmp_path / "rows.csv"),
        tmp_path / "rows.parquet",
        tmp_path / "rows.xlsx",
        polars.from_pandas(text),
        pyarrow.Table.from_pandas(table),
        ibis.memtable(text),
    ]
    for form in forms:
        np.testing.assert_array_equal(read_period(ASIA, form).codes, codes)
    with pytest.raises(ValueError, match="leave it out"):
        read_period(ASIA, table, totals=3)
    with pytest.raises(ValueError, match="no rows"):
        read_period(ASIA, table.iloc[:0])
    with pytest.raises(
        ValueError, match="node 'tub': none of its values is a state of the network: found no value at all"
    ):
        read_period(ASIA, table.astype(object).assign(tub=None))


def test_columns_of_every_type_become_the_same_text(tmp_path):
    import polars

    frame = pd.DataFrame(
        {
            "whole": pd.array([1, 2, None, 2], "Int64"),
            "float": [1.0, 2.5, np.nan, 2.5],
            "flag": pd.array([True, None, False, True], "boolean"),
            "day": pd.to_datetime(["2024-01-02", None, "2024-01-03", "2024-01-02"]),
            "text": pd.Categorical(["b", "a", None, "b"], ["b", "a", "c"]),
        }
    )
    frame.to_parquet(tmp_path / "x.parquet")
    expected = {
        "whole": ["1", "2", None, "2"],
        "float": ["1", "2.5", None, "2.5"],
        "flag": ["True", None, "False", "True"],
        "day": ["2024-01-02 00:00:00", None, "2024-01-03 00:00:00", "2024-01-02 00:00:00"],
        "text": ["b", "a", None, "b"],
    }
    for table in (frame, tmp_path / "x.parquet", polars.from_pandas(frame)):
        columns = {column.name: column for column in read_rows(table)}
        assert {
            name: [None if k < 0 else column.values[k] for k in column.at] for name, column in columns.items()
        } == expected
        assert columns["text"].counts.sum() == 3 and columns["text"].nulls == 1
    assert read_rows(frame, ["text"])[0].declared and read_rows(frame, ["text"])[0].values == ("b", "a", "c")


def test_an_excel_report_is_read(tmp_path):
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "January"
    for row in (["Report of January"], [], ["Feature", "Value", "Hits"], *SHOP_COUNTS):
        sheet.append(row)
    book.create_sheet("empty")
    book.save(tmp_path / "report.xlsx")
    assert read_period(SHOP, tmp_path / "report.xlsx").marginals.counts.tolist() == [n for *_, n in SHOP_COUNTS]
    book.create_sheet("February").append(["x"])
    book.save(tmp_path / "report.xlsx")
    with pytest.raises(ValueError, match=r"holds 2 sheets with cells \(January, February\): say which"):
        read_period(SHOP, tmp_path / "report.xlsx")
    assert read_period(SHOP, tmp_path / "report.xlsx", name="January").marginals.n[0] == 12000
    (tmp_path / "cut.xlsx").write_bytes((tmp_path / "report.xlsx").read_bytes()[:500])
    with pytest.raises(ValueError, match="cannot be read as Excel: is it whole?"):
        read_period(SHOP, tmp_path / "cut.xlsx")


def test_without_openpyxl_the_way_out_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    (tmp_path / "report.xlsx").write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match=r"save it as CSV UTF-8, or pip install 'dimm_nb\[excel\]'"):
        read_period(SHOP, tmp_path / "report.xlsx")


# there and back


cells = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=5),
    st.sampled_from(["NA", "01", "1", "1.0", "1.10", "TRUE", "a,b", "a;b", 'q"q', "x\ty", "#1", "sep=;", "'", "é"]),
)


@few
@given(
    st.lists(st.tuples(cells, cells), min_size=1, max_size=20),
    st.sampled_from(",;\t|"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
)
def test_rows_written_in_any_dialect_are_read_back(lines, delimiter, encoding, zipped, end):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([["first column", "second column"], *lines])
    data = out.getvalue().encode(encoding)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_bytes(gzip.compress(data) if zipped else data)
        columns = read_rows(path)
        fast, slow = (
            sheet_columns(open_sheet(path), [1, 0]),
            scanned_columns(open_sheet(path).read(), ["first column", "second column"], [1, 0]),
        )
    assert [[column.values[k] for k in column.at] for column in columns] == [list(column) for column in zip(*lines)]
    assert [[column.values[k] for k in column.at] for column in fast] == [
        [column.values[k] for k in column.at][1:] for column in slow
    ]


@few
@given(st.data(), st.sampled_from(list(range(8))))
def test_counts_written_in_any_dialect_are_read_back(data, dialect):
    counts = np.array(data.draw(st.lists(st.integers(1, 10**9), min_size=7, max_size=7)))
    rows = [(a, b, int(n)) for (a, b, _), n in zip(SHOP_COUNTS, counts)]
    totals = {node: sum(n for a, _, n in rows if a == node) for node in SHOP.names}
    if min(totals.values()) < max(totals.values()) / 2:
        return
    write = [
        lambda: csv_text(rows),
        lambda: csv_text(rows, delimiter=";"),
        lambda: csv_text([(a, b, f"{n:,}") for a, b, n in rows]),
        lambda: csv_text([(a, b, f"{n:,}".replace(",", ".")) for a, b, n in rows], delimiter=";"),
        lambda: csv_text(rows).encode("utf-16"),
        lambda: csv_text([*rows, *((node, "Total", n) for node, n in totals.items())]),
        lambda: "# a\n\n" + csv_text(rows, "feature,value,hits"),
        lambda: csv_text([[b for _, b, _ in rows], [n for *_, n in rows]], "Channel,,,Device,,Purchase,"),
    ][dialect]
    with tempfile.TemporaryDirectory() as folder:
        assert period(Path(folder), write()).marginals.counts.tolist() == counts.tolist()


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(lambda s: s.strip())
states = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=6),
    st.sampled_from(
        ["NA", "1", "TRUE", "", "nan", "=1+1", "'=", "''", "'", "-5C", "@x", "+", "\t=", "\r", "a,b", 'q"q', "a\nb"]
    ),
)


@few
@given(names, st.lists(states, min_size=1, max_size=4, unique=True), st.data())
def test_any_label_survives_the_file(node, states, data):
    axis = pd.MultiIndex.from_tuples([(node, state) for state in states])
    counts = np.array(
        data.draw(st.lists(st.integers(0, 2**40), min_size=len(states), max_size=len(states)).filter(any))
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "counts.csv"
        write_counts(Marginals(axis, counts / counts.sum(), [counts.sum()]), path)
        table = read_counts(path)
        assert os.listdir(folder) == ["counts.csv"]
        cells = path.read_bytes().decode().replace('"', "").replace("\n", ",").split(",")
    assert (
        table.state.tolist() == list(states)
        and set(table.node) == {node}
        and table["count"].tolist() == counts.tolist()
    )
    assert not any(cell.startswith(("=", "+", "@")) for cell in cells)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "names no column 'node'"),
        ("node,state,count,count\na,b,3,4\n", "two columns 'count'"),
        ("node,state,count\n", "holds no counts"),
        ("node,state,count\n\n\n", "holds no counts"),
        ("node,state,count\na,b,3\na,c\n", "line 3: 2 cells where the header has 3"),
        ("node,state,count\na,b,3\na,b,4\n", "line 3: node 'a', state 'b' was counted before"),
        *(
            (f"node,state,count\na,b,{bad}\n", f"line 2.*'{bad}'")
            for bad in ("-3", "2.5", "", "nan", "inf", "1_000", "1e30", "0x10")
        ),
        ('node,state,count\na,"b"x,3\n', "line 2 or after: not CSV"),
        ('node,state,count\na,"b,3\n', "not CSV"),
    ],
)
def test_files_that_are_wrong_are_refused(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_counts(path)
    assert str(path) in str(caught.value)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    path.write_text("old")
    monkeypatch.setattr(pd.DataFrame, "to_csv", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_table(pd.DataFrame({"a": [1]}), path)
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["table.csv"]


def test_a_link_stays_a_link_and_a_device_a_device(tmp_path):
    target, link = tmp_path / "target.csv", tmp_path / "link.csv"
    link.symlink_to(target)
    write_table(pd.DataFrame({"a": [1]}), link)
    assert link.is_symlink() and target.read_text() == "a\n1\n"
    write_table(pd.DataFrame({"a": [1]}), os.devnull)
    assert not Path(os.devnull).is_file()


def test_a_missing_folder_is_named_with_the_table_that_was_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere") as caught:
        write_table(pd.DataFrame({"a": [1]}), tmp_path / "nowhere" / "a.csv")
    assert caught.value.filename == str(tmp_path / "nowhere" / "a.csv") and not list(tmp_path.iterdir())


def test_text_of_the_values_of_a_column():
    assert text_of([1.0, 1e20, -0.0, b"x", np.float32(0.5)]) == ["1", "1e+20", "0", "x", "0.5"]
