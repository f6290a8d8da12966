"""README.md from nbs/index.ipynb: its text, code and saved outputs; figures go to assets/. `--check` only compares."""
import re
import sys
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter

FIGURES = "assets"


def build(root: Path) -> dict[Path, bytes]:
    "Every file the README consists of, and what it should hold."
    notebook = nbformat.read(root / "nbs" / "index.ipynb", as_version=4)
    notebook.cells = [cell for cell in notebook.cells if not re.search(r"^#\|\s*hide", cell.source, re.M)]
    alt = iter(re.findall(r"^#\|\s*fig-alt:\s*(.+)$", "\n".join(cell.source for cell in notebook.cells), re.M))
    for cell in notebook.cells:
        if re.search(r"^#\|\s*echo:\s*false", cell.source, re.M):
            cell.metadata["transient"] = {"remove_source": True}
        cell.source = re.sub(r"^#\|.*\n?", "", cell.source, flags=re.M)
        if cell.cell_type == "markdown":  # links are relative to nbs/ there, to the root here
            cell.source = re.sub(r"\]\((?!\w+:|#|/)", "](nbs/", cell.source).replace("](nbs/../", "](")
    notebook.metadata["language_info"] = {"name": "python"}
    text, resources = MarkdownExporter().from_notebook_node(
        notebook, resources={"unique_key": "readme", "output_files_dir": FIGURES}
    )
    text = re.sub(r"!\[png\]", lambda _: f"![{next(alt, 'figure')}]", text)  # each figure says in words what it shows
    text = re.sub(r"<style scoped>.*?</style>\n", "", text, flags=re.S)  # GitHub shows no styles
    text = (
        "<!-- Written by tools/build_readme.py from nbs/index.ipynb: edit that. -->\n\n"
        + re.sub(r"\n{3,}", "\n\n", text).strip()
        + "\n"
    )
    files = {root / name: data for name, data in resources["outputs"].items()}
    return files | {root / "README.md": text.encode()}


def main(root: Path, check: bool) -> int:
    "Write the files, or say which are not as they should be; figures that the README no longer shows count too."
    files = build(root)
    extra = set((root / FIGURES).glob("readme_*")) - files.keys()
    old = sorted(extra) + [path for path, data in files.items() if not path.exists() or path.read_bytes() != data]
    if check:
        names = ", ".join(str(path.relative_to(root)) for path in old)
        print(
            f"not what nbs/index.ipynb gives: {names}; run make export"
            if old
            else "README.md is built from nbs/index.ipynb"
        )
        return bool(old)
    for path in extra:
        path.unlink()
    for path, data in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent.parent, "--check" in sys.argv[1:]))
