"""Reading the table of a study: columns, groups, and what is wrong with a broken row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_studies import MadeDesign, MadeStudy, outcome, row, write_study

from femsim.durable import write_table
from femsim.errors import InputError
from femsim.study.ends import CENSORED, LOOSENING, PLATE_FRACTURE, STUMP_LOST, first_ends
from femsim.study.outcomes import read_outcomes

FORCE = {"patient.bite_force": 100.0}


def written(folder: Path, *rows: dict) -> Path:
    write_table(folder / "table.csv", rows)
    return folder


def test_columns_have_types_and_empty_cells_are_unknown(tmp_path: Path) -> None:
    """Numbers become numbers, empty cells NaN, words stay words."""
    rows = (row("000001", "a", 1, FORCE, **outcome(100.0, np.inf)), row("000002", "a", 2, FORCE, status="queued"))
    table = read_outcomes(written(tmp_path, *rows))
    assert table.sample.tolist() == [1, 2]
    assert table.inputs["patient.bite_force"].tolist() == [100.0, 100.0]
    assert table.numbers["first_loose_day"][0] == 100.0
    assert np.isnan(table.numbers["first_loose_day"][1])
    assert table.texts["first_loose_screw"].tolist() == ["screw-4", ""]
    assert table.done.tolist() == [True, False]


def test_parquet_reads_like_csv(tmp_path: Path) -> None:
    """The typed table says the same as the text."""
    arrow, parquet = pytest.importorskip("pyarrow.csv"), pytest.importorskip("pyarrow.parquet")
    write_study(tmp_path, MadeStudy([MadeDesign("a", 1 / 400, 1 / 900)], patients=20, failed={3: "no mesh, sorry"}))
    parquet.write_table(arrow.read_csv(tmp_path / "table.csv"), tmp_path / "table.parquet")
    text, typed = read_outcomes(tmp_path), read_outcomes(tmp_path / "table.parquet")
    assert typed.status.tolist() == text.status.tolist()
    assert typed.reason.tolist() == text.reason.tolist()
    for name, column in text.numbers.items():
        assert typed.numbers[name] == pytest.approx(column, nan_ok=True)
    for name, column in text.inputs.items():
        assert typed.inputs[name] == pytest.approx(column)


def test_groups_are_designs_with_their_lists(tmp_path: Path) -> None:
    """What differs for the same patient and design is listed."""
    rows = [
        row(
            f"{k:06d}", design, sample, {"plate.height": height, "tissue.x": 0.5 + 0.1 * sample}, **outcome(9.0, np.inf)
        )
        for k, (design, height, sample) in enumerate((d, h, s) for d in ("a", "b") for h in (8.0, 10.0) for s in (1, 2))
    ]
    table = read_outcomes(written(tmp_path, *rows))
    groups = table.groups()
    assert list(groups) == [f"{d}, plate.height = {h}" for d in "ab" for h in (8, 10)]
    assert [group.entry for group in groups.values()] == [{"plate.height": height} for height in (8.0, 10.0)] * 2
    assert [group.points.sample.tolist() for group in groups.values()] == [[1, 2]] * 4


def test_without_samples_every_entry_is_a_group(tmp_path: Path) -> None:
    """A sweep has no patients: each value stands for itself, and a word may be one."""
    rows = [row(str(k), "a", "", {"plate.preset": name}, **outcome(9.0, np.inf)) for k, name in enumerate(("x", "y"))]
    assert list(read_outcomes(written(tmp_path, *rows)).groups()) == ["a, plate.preset = x", "a, plate.preset = y"]


def test_first_end_of_every_member(tmp_path: Path) -> None:
    """The earlier end counts, on the same day the main one; what lies behind the horizon has not happened."""
    rows = (
        row("1", "a", 1, FORCE, **outcome(100.0, 300.0)),
        row("2", "a", 2, FORCE, **outcome(500.0, 300.0)),
        row("3", "a", 3, FORCE, **{**outcome(1e9, 300.0), "first_loose_day": 300.0, "stump_lost_day": 300.0}),
        row("4", "a", 4, FORCE, **outcome(700.0, np.inf)),
        row("5", "a", 5, FORCE, status="done", end_day=250.0),
        row("6", "a", 6, FORCE, status="done", end_day=600.0 - 1e-9),
    )
    table = read_outcomes(written(tmp_path, *rows))
    found = first_ends(table, 600.0)
    assert found.end.tolist() == [LOOSENING, PLATE_FRACTURE, LOOSENING, CENSORED, CENSORED, CENSORED]
    assert found.day.tolist() == [100.0, 300.0, 300.0, 600.0, 250.0, 600.0]
    lost = first_ends(table, 600.0, STUMP_LOST)
    assert lost.end.tolist() == [PLATE_FRACTURE, PLATE_FRACTURE, STUMP_LOST, CENSORED, CENSORED, CENSORED]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": "finished"}, "status 'finished' is not one of done, failed, stopped, queued"),
        ({"sample": "0"}, "sample '0' is not a whole number from 1 on"),
        ({"end_day": "soon"}, "end_day 'soon' is not a number"),
        ({"end_day": "inf"}, "end_day 'inf' is not a number"),
        ({"end_day": ""}, "a point that is done needs an end_day"),
        ({"end_day": -3.0}, "end_day -3.0 is not after this surgery"),
        ({"first_loose_day": 900.0}, "first_loose_day 900.0 lies outside the run, which ends on day 730.0"),
        ({"plate_fracture_day": -1.0}, "plate_fracture_day -1.0 lies outside the run"),
        ({"point": "000001"}, "point '000001' stands on line 2 already"),
        ({"design": ""}, "design is empty"),
    ],
)
def test_broken_row_is_named_with_its_line(tmp_path: Path, changes: dict, message: str) -> None:
    """What is wrong, where, and what to do."""
    whole = row("000001", "a", 1, FORCE, **outcome(100.0, np.inf))
    broken = {**whole, "point": "000002", "sample": 2, **changes}
    with pytest.raises(InputError) as caught:
        read_outcomes(written(tmp_path, whole, broken))
    assert f"table.csv: line 3: {message}" in str(caught.value)
    assert "femsim study --resume" in str(caught.value)


def test_broken_files_are_refused(tmp_path: Path) -> None:
    """No table, no columns, no rows, a row that was cut off, many broken rows, not text."""
    with pytest.raises(InputError, match="no table of a study there"):
        read_outcomes(tmp_path / "nowhere")
    table = tmp_path / "table.csv"
    table.write_text("point,design\n1,a\n", encoding="utf-8")
    with pytest.raises(InputError, match="needs the columns sample, status, reason, end_day"):
        read_outcomes(tmp_path)
    whole = row("000001", "a", 1, FORCE, **outcome(100.0, np.inf))
    written(tmp_path, whole)
    lines = table.read_text(encoding="utf-8").splitlines()
    table.write_text(lines[0] + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="no rows"):
        read_outcomes(table)
    table.write_text("\n".join([*lines, lines[1][:12]]), encoding="utf-8")
    with pytest.raises(InputError, match="line 3: 4 cells where the header has"):
        read_outcomes(table)
    written(tmp_path, *({**whole, "point": str(k), "status": "?"} for k in range(5)))
    with pytest.raises(InputError, match=r"line 2: .*; line 3: .*; line 4: .* \(and 2 more\)"):
        read_outcomes(table)
    table.write_bytes(b"\xff\xfe\x00point")
    with pytest.raises(InputError, match="not a table in CSV"):
        read_outcomes(table)
    (tmp_path / "table.parquet").write_bytes(b"PAR1 but not really")
    pytest.importorskip("pyarrow")
    with pytest.raises(InputError, match="not a table in Parquet"):
        read_outcomes(tmp_path / "table.parquet")
