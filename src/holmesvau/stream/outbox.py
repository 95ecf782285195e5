"""Messages that must arrive: on disk before they are sent, until each receiver has acknowledged them.

One SQLite file. A message and what it leaves behind (one letter a sink, the alarm's last state while it is
open) are written in one transaction, so that a process that is killed at any moment has either raised an
alarm or not, and raises it to all of its sinks. Letters are deleted when they are acknowledged: between the
acknowledgement and the deletion a kill makes a letter go out twice, with the same key.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from holmesvau.errors import OutputError
from holmesvau.stream.record import AlarmMessage, Message, from_text, to_text

log = logging.getLogger(__name__)

# Each brings a file of the version before it to the next; `user_version` says which were applied.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE alarms (id TEXT PRIMARY KEY, message TEXT NOT NULL);
    CREATE TABLE letters (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        sink TEXT NOT NULL,
        key TEXT NOT NULL,
        kind TEXT NOT NULL,
        body TEXT NOT NULL,
        written REAL NOT NULL,
        refusals INTEGER NOT NULL DEFAULT 0,
        reason TEXT NOT NULL DEFAULT '',
        parked INTEGER NOT NULL DEFAULT 0,
        UNIQUE (sink, key)
    );
    CREATE INDEX letters_waiting ON letters (sink, parked, refusals, number);
    """,
)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message on its way to one sink. `refusals` counts how often the receiver did not want it."""

    number: int
    sink: str
    key: str
    body: str
    refusals: int


class Outbox:
    """The letters of all sinks; safe to use from any thread, by one process at a time.

    At most `limit` letters wait for a sink. Beyond that the oldest update is dropped, and the oldest alarm
    only where there are no updates; `dropped` counts both.

    Raises:
        OutputError: when the file cannot be used, belongs to a newer version, or another process has it.
    """

    def __init__(self, path: Path, sinks: Sequence[str], *, limit: int = 100_000) -> None:
        self.path, self.sinks = path, tuple(sinks)
        self.dropped = 0
        self._closed = False
        self._limit = limit
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=0.3, check_same_thread=False, isolation_level=None)
        except (sqlite3.Error, OSError) as error:
            raise OutputError(_unusable(path, error)) from error
        try:
            # Exclusive: two watches with one outbox would send everything twice.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            migrate(self._db, path, MIGRATIONS)
            forgotten = self._db.execute(
                f"SELECT count(*) FROM letters WHERE sink NOT IN ({','.join('?' * len(self.sinks))})",
                self.sinks,
            ).fetchone()[0]
        except sqlite3.Error as error:
            self._db.close()
            raise OutputError(_unusable(path, error)) from error
        except OutputError:
            self._db.close()
            raise
        if forgotten:
            log.warning("%s: %d messages wait for sinks that are not configured now", path, forgotten)

    def put(self, message: Message, *, settled: bool = True) -> None:
        """Write a message for every sink; an alarm is remembered as open until it is `settled`.

        Raises:
            OutputError: when it cannot be written.
        """
        body = to_text(message)
        with self._news:
            try:
                with _transaction(self._db):
                    if isinstance(message, AlarmMessage):
                        self._remember(message, body, settled)
                    for sink in self.sinks:
                        self._db.execute(
                            "INSERT OR IGNORE INTO letters (sink, key, kind, body, written) "
                            "VALUES (?, ?, ?, ?, ?)",
                            (sink, message.key, message.kind, body, time.time()),
                        )
                        self._bound(sink)
            except sqlite3.Error as error:
                raise OutputError(_unusable(self.path, error)) from error
            self._news.notify_all()

    def next(self, sink: str) -> Letter | None:
        """The oldest letter waiting for a sink; those that were refused come last."""
        with self._lock:
            row = self._db.execute(
                "SELECT number, sink, key, body, refusals FROM letters WHERE sink = ? AND NOT parked "
                "ORDER BY refusals, number LIMIT 1",
                (sink,),
            ).fetchone()
        return Letter(*row) if row else None

    def wait(self, sink: str, timeout: float) -> Letter | None:
        """`next`, waiting for one to be written at most `timeout` seconds."""
        with self._news:
            letter = self.next(sink)
            if letter is None:
                self._news.wait(timeout)
                letter = self.next(sink)
            return letter

    def wake(self) -> None:
        """Let everything that waits look up."""
        with self._news:
            self._news.notify_all()

    def delivered(self, letter: Letter) -> None:
        """The receiver has it."""
        with self._lock:
            self._db.execute("DELETE FROM letters WHERE number = ?", (letter.number,))

    def refused(self, letter: Letter, reason: str, *, park: bool) -> None:
        """The receiver does not want it; `park` keeps it here without trying again."""
        with self._lock:
            self._db.execute(
                "UPDATE letters SET refusals = refusals + 1, reason = ?, parked = ? WHERE number = ?",
                (reason, int(park), letter.number),
            )

    def waiting(self, sink: str) -> int:
        """Letters that will be tried again; 0 when the outbox is closed."""
        return self._count("SELECT count(*) FROM letters WHERE sink = ? AND NOT parked", sink)

    def parked(self, sink: str) -> int:
        """Letters that the receiver refused for good; 0 when the outbox is closed."""
        return self._count("SELECT count(*) FROM letters WHERE sink = ? AND parked", sink)

    def _count(self, query: str, sink: str) -> int:
        with self._lock:
            return 0 if self._closed else int(self._db.execute(query, (sink,)).fetchone()[0])

    def open_alarms(self) -> list[AlarmMessage]:
        """The last message about each alarm that is not closed: of a watch that was killed, at the start."""
        with self._lock:
            rows = self._db.execute("SELECT message FROM alarms ORDER BY rowid").fetchall()
        messages = [from_text(row[0]) for row in rows]
        return [message for message in messages if isinstance(message, AlarmMessage)]

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._closed = True
            self._db.close()

    def _remember(self, message: AlarmMessage, body: str, settled: bool) -> None:
        if settled:
            self._db.execute("DELETE FROM alarms WHERE id = ?", (message.id,))
        else:
            self._db.execute("INSERT OR REPLACE INTO alarms (id, message) VALUES (?,?)", (message.id, body))

    def _bound(self, sink: str) -> None:
        over = self._db.execute("SELECT count(*) FROM letters WHERE sink = ?", (sink,)).fetchone()[0]
        if over <= self._limit:
            return
        self._db.execute(
            "DELETE FROM letters WHERE number IN (SELECT number FROM letters WHERE sink = ? "
            "ORDER BY parked DESC, kind = 'alarm', number LIMIT ?)",
            (sink, over - self._limit),
        )
        self.dropped += over - self._limit
        log.warning(
            "%s: more than %d messages wait for %s; the oldest updates go", self.path, self._limit, sink
        )


def migrate(db: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> None:
    """Apply what a file lacks, each migration in a transaction of its own.

    Raises:
        OutputError: when the file was written by a newer version.
    """
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(migrations):
        raise OutputError(
            f"{path}: was written by a newer version of holmesvau (its number {version}, this one knows "
            f"{len(migrations)}). Update holmesvau, or give another folder."
        )
    for number in range(version, len(migrations)):
        with _transaction(db):
            for statement in migrations[number].split(";"):
                if statement.strip():
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {number + 1}")


class _transaction:  # noqa: N801 - reads as the statement it is
    """All of it or nothing, with the lock taken at the beginning."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")


def _unusable(path: Path, error: Exception) -> str:
    if "locked" in str(error):
        return f"{path}: another `holmesvau live` is using it. Stop that one, or give another --out."
    return f"{path}: the outbox cannot be used ({error}). Check the disk, or give another --out."
