"""Print a page to PDF with Chromium.

The same page is printed instead of being set again with typst: one template, one set of charts and one wording stay
true for both, the tables keep their semantics, and a browser is on far more computers than a typesetter. The page has
a print style: stills stand in for the 3-D view, folded parts are open, tables repeat their heads.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from femsim.errors import FemsimError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PRINT_SECONDS = 180
"""Pages take seconds; past this the browser hangs."""


def print_page(page: Path) -> Path:
    """Print a page that femsim wrote; the PDF stands beside it.

    Raises
    ------
    FemsimError
        No browser here, or it did not print; the page itself is not touched.
    """
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        raise FemsimError(
            f"{page}: written, but no PDF of it: no Chromium or Chrome here; install chromium (Debian, Ubuntu), "
            "or open the page in any browser and print it"
        )
    target = page.with_suffix(".pdf")
    part = target.with_name(f".part-{target.name}")
    with tempfile.TemporaryDirectory(prefix="femsim-print-") as profile:
        command = [
            *(program, "--headless=new", f"--user-data-dir={profile}", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--host-resolver-rules=MAP * ~NOTFOUND", "--no-pdf-header-footer", f"--print-to-pdf={part.resolve()}"),
            *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),  # refuses root otherwise
            page.resolve().as_uri(),
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PRINT_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise FemsimError(
                f"{page}: written, but no PDF of it: {program} did not print within {PRINT_SECONDS} s; "
                "open the page in a browser and print it"
            ) from error
    if done.returncode or not part.is_file():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1][:160]
        raise FemsimError(
            f"{page}: written, but no PDF of it: {program} ended with code {done.returncode} ({last}); "
            "open the page in a browser and print it"
        )
    part.replace(target)
    return target
