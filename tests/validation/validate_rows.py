"""Measure every validation row of plates, screws and loosening, print the verdicts and write the page about them.

python tests/validation/validate_rows.py
python tests/validation/validate_rows.py --write docs/validation.md
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from validation_rows import ROWS, Verdict, measure, summary, table

MARK = "<!-- rows: made by tests/validation/validate_rows.py -->"


def page(verdicts: Sequence[Verdict], before: str) -> str:
    """The page with its table renewed: everything above :data:`MARK` is kept."""
    kept, mark, _ = before.partition(MARK)
    if not mark:
        raise SystemExit(f"the page has no line {MARK}; the table is written below it")
    return f"{kept}{MARK}\n\n{summary(verdicts)}.\n\n" + "\n".join(table(verdicts)) + "\n"


def show(one: Verdict) -> None:
    """One line as soon as a row is measured."""
    print(f"{one.row.source}: {one.row.what}: {one.value:.4g} {one.row.unit}: {one.words}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="renew the table of this page")
    given = parser.parse_args(arguments)
    verdicts = measure(ROWS, show)
    print(summary(verdicts))
    if given.write is not None:
        given.write.write_text(page(verdicts, given.write.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
