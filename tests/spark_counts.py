"""The same counts from Spark as from DuckDB: run by `make test-spark`, not by `make test`, as it needs Java."""
import importlib.util
import shutil

import ibis
import numpy as np
import pandas as pd
import pytest

from dimm_nb.learning.ecommerce import corner
from dimm_nb.learning.shop import simulate_shop
from dimm_nb.mixture.cells import MISSING, OTHER, bin_labels
from dimm_nb.mixture.marginals import count_categories, count_values
from dimm_nb.network.axis import Marginals
from dimm_nb.network.network import CausalNetwork

pytestmark = [
    pytest.mark.skipif(shutil.which("java") is None, reason="needs Java (on Debian: openjdk-17-jre-headless)"),
    pytest.mark.skipif(importlib.util.find_spec("pyspark") is None,
                       reason="needs PySpark: pip install 'dimm_nb[spark]'"),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    "Spark in local mode, as an ibis connection."
    from pyspark.sql import SparkSession

    place = tmp_path_factory.mktemp("spark")
    options = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false",
               "spark.sql.shuffle.partitions": "2", "spark.driver.host": "127.0.0.1",
               "spark.driver.bindAddress": "127.0.0.1", "spark.sql.warehouse.dir": str(place)}
    builder = SparkSession.builder.master("local[1]").appName("dimm_nb tests")
    for name, value in options.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield ibis.pyspark.connect(session)
    session.stop()


def test_a_shop_s_counts_are_equal(spark, tmp_path):
    shop = simulate_shop(20_000, seed=1)
    net = corner(shop.network, ["Hour", "Weekday", "Visitor", "Device", "Channel", "Campaign"])
    shop.deviating[list(net.names)].astype(str).to_parquet(tmp_path / "hits.parquet")
    found = count_categories(spark.read_parquet(str(tmp_path / "hits.parquet")), net)
    assert found.counts.equals(count_categories(tmp_path / "hits.parquet", net).counts)
    assert found.counts.equals(Marginals.from_codes(net, net.codes(shop.deviating[list(net.names)])).counts)


def test_every_rule_is_followed_alike(spark, tmp_path):
    net = CausalNetwork(["Browser", "paid", "seconds", "n"],
                        [["Chrome", "Safari", OTHER, MISSING], ["TRUE", "FALSE"], [*bin_labels([0, 10]), MISSING],
                         ["1", "2"]],
                        [()] * 4, [np.full(k, 1 / k) for k in (4, 2, 4, 2)])
    frame = pd.DataFrame({"Browser": ["Chrome", "Netscape", None, "Low Traffic", "", "Lynx"],
                          "paid": [True, False, True, True, False, None],
                          "seconds": [-1.0, 0.0, 9.5, 10.0, None, float("nan")], "n": [1.0, 2.0, None, 1.0, 2.0, 3.0]})
    frame.to_parquet(tmp_path / "hits.parquet")
    there, here = (count_values(table, net)
                   for table in (spark.read_parquet(str(tmp_path / "hits.parquet")), tmp_path / "hits.parquet"))
    columns = ["node", "state", "rule", "count", "kinds"]
    assert there[columns].equals(here[columns]) and there["count"].groupby(there.node).sum().eq(6).all()


def test_hostile_names_are_names(spark, tmp_path):
    names = ['a"; DROP TABLE hits; --', "it's", "semi;colon", "SELECT", "back`tick", "a.b"]
    net = CausalNetwork(names, [["'; DROP TABLE x; --", 'q"q', "a\\b"]] * len(names), [()] * len(names),
                        [np.full(3, 1 / 3)] * len(names))
    frame = net.frame(net.sample(60, 0)).astype(str)
    frame.to_parquet(tmp_path / "hits.parquet")
    found = count_categories(spark.read_parquet(str(tmp_path / "hits.parquet")), net)
    assert found.counts.equals(Marginals.from_codes(net, net.codes(frame)).counts)
