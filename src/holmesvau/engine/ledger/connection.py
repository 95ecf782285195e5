"""One SQLite file in WAL mode: many processes read it, one at a time writes, no crash tears it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from holmesvau.engine.ledger import migrations
from holmesvau.errors import InputError, OutputError

# How long a writer waits for another one.
PATIENCE_SECONDS = 60.0


class Connection:
    """A ledger's file, opened; safe to share between threads, which take turns.

    Raises:
        InputError: when it is no ledger, or one of a newer holmesvau.
        OutputError: when it cannot be opened or made.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._turn = threading.RLock()
        self._inside = False
        try:
            self._sql = sqlite3.connect(
                self.path, timeout=PATIENCE_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._sql.row_factory = sqlite3.Row
            # Finished items are on their way to the disk when committed; what people did waits for it.
            mode = self._sql.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            self._sql.execute("PRAGMA synchronous = NORMAL")
            version = migrations.apply(self._sql)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise OutputError(f"{self.path}: the ledger cannot be opened ({error}).") from error
            raise InputError(f"{self.path}: not a ledger ({error}). Give a project's folder.") from error
        if mode != "wal":
            raise OutputError(
                f"{self.path}: this disk cannot hold a ledger for several processes (journal mode {mode}). "
                "Put the project on a local disk."
            )
        if version > len(migrations.STEPS):
            raise InputError(
                f"{self.path}: the ledger is of a newer holmesvau (version {version}, known: "
                f"{len(migrations.STEPS)}). Update holmesvau."
            )

    def close(self) -> None:
        """Let go of the file."""
        with self._turn:
            self._sql.close()

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self._turn:
            return self._sql.execute(query, values).fetchall()

    def row(self, query: str, values: Sequence[Any] = ()) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        with self._turn:
            found: sqlite3.Row | None = self._sql.execute(query, values).fetchone()
            return found

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """A change, inside `writing`; how many rows it changed."""
        assert self._inside, "changes are made inside `writing`"
        return self._sql.execute(statement, values).rowcount

    def insert(self, table: str, row: dict[str, Any], *, otherwise: str = "ABORT") -> int:
        """Insert a row, inside `writing`; its row id. `otherwise` is what to do when it is there already."""
        assert self._inside, "changes are made inside `writing`"
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join("?" * len(row))
        cursor = self._sql.execute(
            f"INSERT OR {otherwise} INTO {table}({names}) VALUES({marks})", tuple(row.values())
        )
        return int(cursor.lastrowid or 0)

    @contextmanager
    def writing(self, *, durable: bool = False) -> Iterator[None]:
        """One transaction, whole or not at all; inside another one it is part of that.

        With `durable` it is on the disk when the block ends, so that not even a power cut takes it back.

        Raises:
            OutputError: when the disk is full or does not answer.
        """
        with self._turn:
            if self._inside:
                yield
                return
            try:
                if durable:
                    self._sql.execute("PRAGMA synchronous = FULL")
                self._sql.execute("BEGIN IMMEDIATE")
                self._inside = True
                try:
                    yield
                    self._sql.execute("COMMIT")
                except BaseException:
                    if self._sql.in_transaction:
                        self._sql.execute("ROLLBACK")
                    raise
                finally:
                    self._inside = False
                    if durable:
                        self._sql.execute("PRAGMA synchronous = NORMAL")
            except sqlite3.OperationalError as error:
                raise OutputError(f"{self.path}: the ledger cannot be written ({error}).") from error
