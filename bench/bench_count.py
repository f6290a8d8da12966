"Counting every category of a Parquet file, beside plain DuckDB SQL and Polars on the same file."
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from common import best_time, process_peak_mb, row

from dimm_nb.learning.shop import shop_network
from dimm_nb.mixture.marginals import count_categories

PART = 1_000_000  # rows drawn and written at a time


def write_hits(path: Path, rows: int) -> None:
    "The synthetic shop's stable period, as dictionary-encoded text in row groups."
    net, rng = shop_network(), np.random.default_rng(0)
    schema = pa.schema([(name, pa.dictionary(pa.int16(), pa.string())) for name in net.names])
    with pq.ParquetWriter(path, schema) as file:
        for start in range(0, rows, PART):
            codes = net.sample(min(PART, rows - start), rng)
            columns = [pa.DictionaryArray.from_arrays(codes[:, j], list(states)) for j, states in enumerate(net.states)]
            file.write_table(pa.table(columns, schema=schema))


def by_duckdb(path: Path) -> dict[tuple[str, str], int]:
    "One union of group-bys, as one would write it by hand."
    parts = (f"SELECT '{name}', \"{name}\", count(*) FROM '{path}' GROUP BY ALL" for name in shop_network().names)
    return {(name, state): n for name, state, n in duckdb.connect().execute(" UNION ALL ".join(parts)).fetchall()}


def by_polars(path: Path) -> dict[tuple[str, str], int]:
    "One lazy group-by a column, collected together."
    scan = pl.scan_parquet(path)
    tables = pl.collect_all([scan.group_by(name).len() for name in shop_network().names])
    return {
        (name, str(state)): n for name, table in zip(shop_network().names, tables) for state, n in table.iter_rows()
    }


def rows(quick: bool) -> Iterator[dict]:
    n, net = (100_000 if quick else 10_000_000), shop_network()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hits.parquet"
        write_hits(path, n)
        size = path.stat().st_size / 2**20
        repeat = 1 if quick else 3
        (seen, ours), (plain, duckdb_seconds), (frame, polars_seconds) = (
            best_time(repeat, count, *rest)
            for count, *rest in ((count_categories, path, net), (by_duckdb, path), (by_polars, path))
        )
        counts = {key: int(value) for key, value in seen.counts.items() if value}
        assert counts == plain == frame, "the three counts differ"
        peak = process_peak_mb(
            "from pathlib import Path\nfrom dimm_nb.mixture.marginals import count_categories\n"
            f"from dimm_nb.learning.shop import shop_network\n"
            f"count_categories(Path({str(path)!r}), shop_network())"
        )
        what, note = (
            f"count, {n:,} hits × {len(net.names)} features in Parquet",
            f"{size:.0f} MB, {len(net.index)} categories",
        )
        yield row(what, ours, "plain DuckDB SQL", duckdb_seconds, peak_mb=peak, note=note)
        yield row(what, ours, "Polars", polars_seconds, peak_mb=peak, note=note)


if __name__ == "__main__":
    for line in rows("--quick" in sys.argv):
        print(line)
