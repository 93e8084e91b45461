"""Markers follow the folder of a test; fixtures shared by several folders."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDERS = {"unit", "verification", "tendency", "validation", "regression", "restart", "hostile", "browser"}
REAL_JAW = Path(__file__).resolve().parents[2] / "shared" / "data" / "mandible_real.obj"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = Path(item.fspath).parent.name
        if folder in FOLDERS:
            item.add_marker(getattr(pytest.mark, folder))


@pytest.fixture(scope="session")
def real_jaw_path() -> Path:
    if not REAL_JAW.is_file():
        pytest.skip(f"the real jaw is not here ({REAL_JAW.name} beside the project)")
    return REAL_JAW
