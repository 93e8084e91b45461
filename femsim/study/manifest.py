"""Which mesh, operator and point of a study is queued, running, done, failed or stopped; safe for many processes.

One SQLite file with its plain rollback journal: the write-ahead log needs memory that all writers share, which machines
do not have, and with connections as short as these it was measured to be twice as slow on one machine too. Status and
leases are changed inside immediate transactions, so that two processes never take the same task. A claim is also a new
folder, made by a call that is atomic on every file system: where the locks of a cluster's file system do not work, the
second process finds the folder and leaves the task alone.

A running task is kept by a heartbeat, a counter. Whoever sees a counter stand still for the length of a lease by its
own clock, or knows that the process on this machine is gone, may queue the task again; clocks are never compared.
"""

from __future__ import annotations

import os
import random
import socket
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from femsim.errors import FemsimError

BEAT_SECONDS = 20.0
"""Between two heartbeats: hundreds of workers then write a few times a second."""
LEASE_SECONDS = 120.0
"""A worker that has been silent for so long is taken for dead; six beats, for a file system that hangs for a while."""
MOST_ATTEMPTS = 5
"""A task whose worker has died so often is failed, so that one that eats all memory does not stop a study."""
BUSY_SECONDS = 60.0
"""Wait for a lock; hundreds of workers that end together queue for a few seconds."""
TABLES = """
CREATE TABLE IF NOT EXISTS tasks (
    name TEXT PRIMARY KEY, kind TEXT NOT NULL, position INTEGER NOT NULL, needs TEXT NOT NULL,
    status TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', attempt INTEGER NOT NULL DEFAULT 0,
    owner TEXT NOT NULL DEFAULT '', beat INTEGER NOT NULL DEFAULT 0, seconds REAL, made INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS ready ON tasks (status, position);
CREATE INDEX IF NOT EXISTS dependants ON tasks (needs);
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
UNFINISHED = ("queued", "running", "stopped")


@dataclass(frozen=True)
class Task:
    """One piece of work: ``mesh``, ``operator`` or ``point``; ``needs`` is the task that has to be done before."""

    name: str
    kind: str
    needs: str = ""


@dataclass(frozen=True)
class Claim:
    """A task that this process may run."""

    name: str
    kind: str
    needs: str
    attempt: int
    owner: str


@dataclass
class Manifest:
    """The manifest of one study folder.

    Parameters
    ----------
    path : Path
        ``manifest.sqlite``.
    lease : float
        Seconds of silence after which another machine's worker counts as dead.
    """

    path: Path
    lease: float = LEASE_SECONDS
    _seen: dict[str, tuple[tuple[int, int], float]] = field(default_factory=dict)

    # --- connection ---------------------------------------------------------------------------------------------

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """One short connection per change: nothing is held open while a point runs or a process forks."""
        try:
            connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        except sqlite3.Error as error:
            raise FemsimError(f"{self.path}: the manifest cannot be opened ({error})") from error
        try:
            connection.execute("PRAGMA synchronous=FULL")
            yield connection
        except sqlite3.DatabaseError as error:
            raise FemsimError(
                f"{self.path}: the manifest cannot be used ({error}); put the study on a file system with working "
                "locks, or repeat with --resume"
            ) from error
        finally:
            connection.close()

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._open() as connection:
            for attempt in range(20):
                try:
                    connection.execute("BEGIN IMMEDIATE")
                    break
                except sqlite3.OperationalError:
                    if attempt == 19:
                        raise
                    time.sleep(random.uniform(0.05, 0.5))
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def create(self, tasks: Sequence[Task], about: Mapping[str, str]) -> None:
        """Make the manifest with all tasks queued."""
        with self._open() as connection:
            connection.executescript(TABLES)
        with self._change() as connection:
            rows = [(one.name, one.kind, number, one.needs, "queued") for number, one in enumerate(tasks)]
            connection.executemany("INSERT INTO tasks (name, kind, position, needs, status) VALUES (?,?,?,?,?)", rows)
            connection.executemany("INSERT INTO about VALUES (?,?)", list(about.items()))

    def about(self) -> dict[str, str]:
        """What the study was created with."""
        with self._open() as connection:
            return dict(connection.execute("SELECT key, value FROM about"))

    # --- work ---------------------------------------------------------------------------------------------------

    def claim(self, prefer: str = "") -> Claim | None:
        """Take the next task whose need is done, one that needs ``prefer`` first; None when there is none now."""
        owner = f"{identity()}/{uuid.uuid4().hex[:8]}"
        with self._change() as connection:
            row = None
            if prefer:
                row = connection.execute(
                    "SELECT name, kind, needs, attempt FROM tasks INDEXED BY ready WHERE status='queued' AND needs=? "
                    "ORDER BY position LIMIT 1",
                    (prefer,),
                ).fetchone()
            if row is None:
                row = connection.execute(
                    "SELECT name, kind, needs, attempt FROM tasks AS t WHERE status='queued' AND (needs='' OR EXISTS "
                    "(SELECT 1 FROM tasks AS n WHERE n.name=t.needs AND n.status='done')) ORDER BY position LIMIT 1"
                ).fetchone()
            if row is None:
                return None
            name, kind, needs, attempt = row
            connection.execute(
                "UPDATE tasks SET status='running', reason='', attempt=?, owner=?, beat=beat+1 WHERE name=?",
                (attempt + 1, owner, name),
            )
        return Claim(name, kind, needs, attempt + 1, owner)

    def beat(self, claim: Claim) -> bool:
        """Show that a claim is alive; False when it has been taken away."""
        with self._change() as connection:
            found = connection.execute(
                "UPDATE tasks SET beat=beat+1 WHERE name=? AND owner=? AND status='running'", (claim.name, claim.owner)
            )
            return found.rowcount == 1

    def finish(
        self, claim: Claim, status: str, reason: str = "", seconds: float | None = None, made: bool = False
    ) -> bool:
        """End a claim as ``done``, ``failed`` or ``stopped``; False when it has been taken away meanwhile.

        Whatever needs a failed task fails with it. ``made`` counts work that was done and not found in a cache.
        """
        with self._change() as connection:
            found = connection.execute(
                "UPDATE tasks SET status=?, reason=?, seconds=?, made=? WHERE name=? AND owner=? AND status='running'",
                (status, reason, seconds, int(made), claim.name, claim.owner),
            )
            if found.rowcount == 1 and status == "failed":
                _fail_dependants(connection, claim.name, reason)
            return found.rowcount == 1

    def requeue_stopped(self) -> None:
        """Queue again what a stop has interrupted."""
        with self._change() as connection:
            connection.execute("UPDATE tasks SET status='queued', reason='' WHERE status='stopped'")

    def recover(self) -> int:
        """Queue the tasks of dead workers again; return how many."""
        now, dead = time.monotonic(), []
        with self._open() as connection:
            rows = connection.execute("SELECT name, owner, attempt, beat FROM tasks WHERE status='running'").fetchall()
        for name, owner, attempt, beat in rows:
            mark, since = self._seen.get(name, ((0, 0), now))
            if mark != (attempt, beat):
                since = now
                self._seen[name] = ((attempt, beat), since)
            if is_gone(owner) or now - since > self.lease:
                dead.append((name, owner, attempt, beat))
        if not dead:
            return 0
        count = 0
        with self._change() as connection:
            for name, owner, attempt, beat in dead:
                over = attempt >= MOST_ATTEMPTS
                reason = f"its worker died {attempt} times (out of memory?)" if over else ""
                found = connection.execute(
                    "UPDATE tasks SET status=?, reason=? WHERE name=? AND owner=? AND beat=? AND status='running'",
                    ("failed" if over else "queued", reason, name, owner, beat),
                )
                count += found.rowcount
                if over and found.rowcount:
                    _fail_dependants(connection, name, reason)
        return count

    # --- looking ------------------------------------------------------------------------------------------------

    def counts(self, kind: str = "point") -> dict[str, int]:
        """Tasks of a kind by status."""
        with self._open() as connection:
            return dict(connection.execute("SELECT status, COUNT(*) FROM tasks WHERE kind=? GROUP BY status", (kind,)))

    def finished(self) -> dict[str, int]:
        """Tasks of every kind that are done or failed, by status."""
        return {status: count for status, count in self._by_status().items() if status not in UNFINISHED}

    def open_tasks(self) -> dict[str, int]:
        """Tasks of every kind that are not finished, by status."""
        return {status: count for status, count in self._by_status().items() if status in UNFINISHED}

    def _by_status(self) -> dict[str, int]:
        with self._open() as connection:
            return dict(connection.execute("SELECT status, COUNT(*) FROM tasks GROUP BY status").fetchall())

    def states(self) -> dict[str, tuple[str, str]]:
        """Status and reason of every task."""
        with self._open() as connection:
            rows = connection.execute("SELECT name, status, reason FROM tasks").fetchall()
        return {name: (status, reason) for name, status, reason in rows}

    def seconds(self, kind: str) -> list[float]:
        """Seconds of the tasks of a kind that were done, without those that came from a cache."""
        with self._open() as connection:
            rows = connection.execute(
                "SELECT seconds FROM tasks WHERE kind=? AND status='done' AND made=1 AND seconds IS NOT NULL", (kind,)
            ).fetchall()
        return [float(row[0]) for row in rows]


def _fail_dependants(connection: sqlite3.Connection, name: str, reason: str) -> None:
    waiting = [row[0] for row in connection.execute("SELECT name FROM tasks WHERE needs=?", (name,))]
    for one in waiting:
        connection.execute("UPDATE tasks SET status='failed', reason=? WHERE name=?", (reason, one))
        _fail_dependants(connection, one, reason)


class Heartbeat:
    """Keeps a claim alive from a thread of its own while the work goes on."""

    def __init__(self, manifest: Manifest, claim: Claim, every: float = BEAT_SECONDS) -> None:
        self._manifest, self._claim, self._every = manifest, claim, every
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heartbeat {claim.name}", daemon=True)
        self.lost = False

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *rest: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._every):
            try:
                self.lost = self.lost or not self._manifest.beat(self._claim)
            except FemsimError:
                continue  # the file system hangs for a while; the lease allows for several missed beats


def identity() -> str:
    """Return host, process and the time at which the process began: a number that is used again does not deceive."""
    return f"{socket.gethostname()}/{os.getpid()}/{_began(os.getpid())}"


def is_gone(owner: str) -> bool:
    """Whether an owner's process is known to be dead; False when it runs, or on another machine."""
    host, pid, began, *_ = owner.split("/")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return bool(began) and _began(int(pid)) != began


def _began(pid: int) -> str:
    """Start of a process in ticks since boot; empty where the system does not tell. A zombie counts as ended."""
    try:
        rest = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "ended" if rest[0] in "ZX" else rest[19]
