"""Is the prose true? Pointers that lead nowhere for sure, "one X a node", and numbers that nothing near them shows."""
import re
import sys
from pathlib import Path

import book

ROOT = Path(__file__).resolve().parent.parent
POINTERS = r"\b(?:(?:next|previous) cells?|next two|(?:next|last|previous) (?:chapter|notebook)s?)\b(?!,? \[)"
PER = r"\b(?:one|an?|half a) \w+ a (?:node|row|state|share|start|line|query|mixture|chain|shop|cell|feature|column)\b"
NUMBER = re.compile(r"(?<![\w.,^{$/-])(?:\d{1,3}(?:[,  ]\d{3})+|\d*\.\d+|\d{2,})(?![\w^}-]|\.\d)")
NEAR = 6  # cells before and after in which a number may be shown
# Given, not measured: sizes of ASIA and ALARM, levels of intervals, a right angle, the paper's starts, draws, years
GIVEN = {"16", "256", "37", "105", "95", "80", "90", "60", "40", "20", *map(str, range(1980, 2030))}


def said(text: str) -> str:
    "Prose without what is not a claim: links, code, formulas, solutions, tables of names."
    text = re.sub(r"<details>.*?</details>", " ", text, flags=re.S)
    text = re.sub(r"^\|.*\|$", " ", text, flags=re.M)
    text = re.sub(r"\]\([^)]*\)|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\(\d{4}\)|arXiv:\S+", " ", text, flags=re.S)
    places = r"\b(?:[Ss]ections?|[Ee]quations?|[Aa]ppendi(?:x|ces)|[Ff]ootnote|\d{4})(?: \d[\d.]*(?:,| and| to)?)+"
    return re.sub(places, " ", text)


def shown(cell: dict) -> str:
    "What a cell lets its reader see, as text."
    outputs = [output.get("text", output.get("data", {}).get("text/plain", "")) for output in cell.get("outputs", [])]
    return "\n".join(["".join(cell["source"]), *("".join(output) for output in outputs)])


def values(text: str) -> set[float]:
    "The numbers in a text."
    return {float(number.replace("_", "").replace(",", ""))
            for number in re.findall(r"\d[\d_,]*\.?\d*(?:e-?\d+)?|\.\d+", text) if re.search(r"\d", number)}


def unshown(cells: list[dict], at: int) -> list[str]:
    "Numbers of a prose cell that no cell near it shows, as they are, as percent or rounded."
    near = [cell for cell in cells[max(0, at - NEAR):at + NEAR + 1] if cell["cell_type"] == "code"]
    there = set().union(*(values(shown(cell)) for cell in near), set())
    found = []
    for number in NUMBER.findall(said("".join(cells[at]["source"]))):
        value = float(re.sub("[,  ]", "", number))
        digits = len(number.partition(".")[2])
        known = any(round(each * scale, digits) == value for each in there for scale in (1, 100, 1000, .01))
        if not known and number not in GIVEN: found.append(number)
    return found


def problems(path: Path) -> list[str]:
    "What is doubtful in a notebook's prose, cell by cell."
    cells, found = book.read(path)["cells"], []
    for at, cell in enumerate(cells):
        if cell["cell_type"] == "markdown":
            text = "".join(cell["source"])
            found += [f"{cell['id']}: {hit!r}" for pattern in (POINTERS, PER) for hit in re.findall(pattern, text)]
            if not cell["id"].startswith(("exercise", "learned")):
                found += [f"{cell['id']}: {number} is shown by no cell near" for number in unshown(cells, at)]
    return found


def main(names: list[str]) -> int:
    "A line for each doubt, in the chapters or in the notebooks that are named."
    count = 0
    for name in names or book.chapters(ROOT / "nbs"):
        for problem in problems(ROOT / "nbs" / f"{name}.ipynb"):
            count += 1
            print(f"{name}: {problem}")
    return bool(count)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
