"""Pages and table of docs/compare.md, from six runs: python docs/make_comparison.py.

Three plates over the healthy and over the irradiated jaw. Scenarios without a complete run in ``runs/`` are run first
(minutes each). The pages go to docs/compare/; the table stands in the page between ``<!-- order -->`` and
``<!-- end order -->`` and is replaced there.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))

from femsim.durable import write_text  # noqa: E402
from femsim.pipeline import Hooks, compare  # noqa: E402
from femsim.scenario import load_scenario  # noqa: E402

PAGE = DOCS / "compare.md"
PAGES = DOCS / "compare"
JAWS = {
    "healthy": ("healthy jaw", ("healthy-thin-plate", "healthy-medium-plate", "healthy-jaw")),
    "irradiated": ("60 Gy, twelve months before", ("thin-plate", "medium-plate", "60gy-12-months")),
}
HEAD = ("jaw", "place", "plate", "first screw loose [day]", "plate life [years]", "implant [cm³]", "decided by")
LARGEST = 10_000_000
"""Bytes of a page; more is too much to send to a colleague."""
LONG_LIFE = 100.0
"""Years of plate life beyond which the number says nothing."""


def cells(jaw: str, row: dict[str, Any]) -> list[str]:
    """One line of the table."""
    day, life = row["first_loose_day"], row["plate_life_years"]
    return [
        jaw,
        str(row["place"] or "not ranked"),
        row["design"],
        "none" if day is None else f"{day:.0f}",
        f"over {LONG_LIFE:.0f}" if life is None or life > LONG_LIFE else f"{life:.1f}",
        "–" if row["implant_mm3"] is None else f"{row['implant_mm3'] / 1000:.2f}",
        row["decided_by"],
    ]


def main() -> None:
    """Make both pages and the table."""
    os.chdir(ROOT)  # pages tell where values come from: by names relative to the source tree
    lines = [" | ".join(HEAD), " | ".join(["---"] * len(HEAD))]
    hooks = Hooks(stage=lambda name: print(name, flush=True), note=print)
    PAGES.mkdir(exist_ok=True)
    for name, (jaw, scenarios) in JAWS.items():
        designs = [load_scenario(Path("scenarios") / f"{scenario}.yaml") for scenario in scenarios]
        result = compare(designs, ROOT / "runs", hooks)
        target = PAGES / f"{name}.html"
        shutil.copyfile(result.page, target)
        size = target.stat().st_size
        print(f"{target.relative_to(ROOT)}: {size / 1e6:.1f} MB{' (too large)' if size > LARGEST else ''}")
        lines += [" | ".join(cells(jaw, row)) for row in result.table]
    table = "\n".join(f"| {line} |" for line in lines)
    text = PAGE.read_text(encoding="utf-8")
    marked = re.sub(r"(?<=<!-- order -->\n).*?(?=<!-- end order -->)", lambda _: f"{table}\n", text, flags=re.DOTALL)
    write_text(PAGE, marked)


if __name__ == "__main__":
    main()
