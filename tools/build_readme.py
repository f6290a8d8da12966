"""README.md from nbs/index.ipynb, offline: its text, code and saved outputs; figures go to assets/. `--check` only compares."""
import re
import sys
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter

ROOT = Path(__file__).resolve().parent.parent


def build() -> dict[Path, bytes]:
    "Every file the README consists of, and what it should hold."
    notebook = nbformat.read(ROOT / "nbs" / "index.ipynb", as_version=4)
    notebook.cells = [cell for cell in notebook.cells if not re.search(r"^#\|\s*hide", cell.source, re.M)]
    for cell in notebook.cells:
        if re.search(r"^#\|\s*echo:\s*false", cell.source, re.M):
            cell.metadata["transient"] = {"remove_source": True}
        cell.source = re.sub(r"^#\|.*\n?", "", cell.source, flags=re.M)
    exporter = MarkdownExporter()
    exporter.register_preprocessor("nbconvert.preprocessors.ExtractOutputPreprocessor", enabled=True)
    text, resources = exporter.from_notebook_node(notebook, resources={"unique_key": "readme", "output_files_dir": "assets"})
    text = "<!-- Written by tools/build_readme.py from nbs/index.ipynb: edit that. -->\n\n" + re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
    files = {ROOT / name: data for name, data in resources["outputs"].items()}
    return files | {ROOT / "README.md": text.encode()}


def main() -> int:
    files = build()
    if "--check" not in sys.argv[1:]:
        for path, data in files.items():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        return 0
    old = [str(path.relative_to(ROOT)) for path, data in files.items() if not path.exists() or path.read_bytes() != data]
    print(f"not what nbs/index.ipynb gives: {', '.join(old)}; run make export" if old else "README.md is built from nbs/index.ipynb")
    return bool(old)


if __name__ == "__main__":
    sys.exit(main())
