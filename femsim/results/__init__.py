"""Run folders: durable files, checkpoints, tables, fields and provenance of one run."""

from femsim.durable import append_line, write_bytes, write_json, write_npz, write_table, write_text
from femsim.results.folder import RunFolder, new_folder, open_run

__all__ = [
    "RunFolder",
    "append_line",
    "new_folder",
    "open_run",
    "write_bytes",
    "write_json",
    "write_npz",
    "write_table",
    "write_text",
]
