"""How a chapter reads: words of prose for each line of code, longest cell, figures, exercises; beside two models."""
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import book

ROOT = Path(__file__).resolve().parent.parent
LEAST_WORDS, LONGEST_CELL = 10, 12  # what a chapter that is given to a class keeps to
# Whole notebooks, measured the same way: words a line, longest cell
MODELS = {"ThinkBayes2, chapter 6": (12.3, 11), "pytudes, Probability": (22.5, 8)}


@dataclass(frozen=True)
class Pace:
    "What is counted of one notebook."
    words: int  # of prose: in Markdown cells, whatever has a letter in it
    lines: int  # of code, blank lines and directives left out; hidden cells count too
    longest: int  # lines of its longest cell
    figures: int
    exercises: int

    @property
    def density(self) -> float:
        "Words of prose for each line of code."
        return self.words / max(self.lines, 1)

    @property
    def kept(self) -> bool:
        "Whether the chapter keeps to the limits."
        return self.density >= LEAST_WORDS and self.longest <= LONGEST_CELL


def code_lines(cell: dict) -> int:
    "Lines of a code cell that a reader reads."
    lines = "".join(cell["source"]).splitlines()
    return sum(bool(line.strip()) and not re.match(r"\s*(#\||%)", line) for line in lines)


def pace(path: Path) -> Pace:
    "Count one notebook."
    cells = book.read(path)["cells"]
    prose = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    lines = [code_lines(cell) for cell in code]
    figures = sum("image/png" in output.get("data", {}) for cell in code for output in cell["outputs"])
    words = sum(bool(re.search("[^\\W\\d_]", word)) for word in re.sub(r"\]\([^)]*\)", "]", prose).split())
    exercises = len(re.findall(r"<summary>\s*(?:Solution|Answer)", prose))
    return Pace(words, sum(lines), max(lines, default=0), figures, exercises)


def main(names: list[str]) -> int:
    "A line for each chapter, or for the notebooks that are named."
    print(f"{'':34}{'words':>7}{'lines':>7}{'words/line':>12}{'longest':>9}{'figures':>9}{'exercises':>11}")
    for name in names or book.chapters(ROOT / "nbs"):
        one = pace(ROOT / "nbs" / f"{name}.ipynb")
        print(f"{name:34}{one.words:7}{one.lines:7}{one.density:12.1f}{one.longest:9}{one.figures:9}{one.exercises:11}"
              f"  {'' if one.kept else 'not yet'}")
    for name, (density, longest) in MODELS.items():
        print(f"{name:48}{density:12.1f}{longest:9}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
