"""The comparison: simulate and answer here, let DoWhy answer in its own environment, keep all answers in one file."""
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

HERE = Path(__file__).resolve().parent


def main(other_python: str, out: str) -> None:
    "Run both halves on the same rows."
    with TemporaryDirectory() as folder:
        subprocess.run([sys.executable, str(HERE / "shops.py"), folder], check=True)
        subprocess.run([other_python, str(HERE / "by_dowhy.py"), folder], check=True)
        collect(Path(folder), Path(out))


def collect(folder: Path, out: Path) -> None:
    "One table of all answers, problem by problem; seconds are left out, which another machine would change."
    parts = [pd.read_csv(folder / name, keep_default_na=False) for name in ("ours.csv", "dowhy.csv")]
    table = pd.concat(parts).drop(columns=["seconds", "true states", "p"], errors="ignore")
    table.sort_values(["case", "seed", "method"], kind="stable").to_csv(out, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
