"""Edits of people: each is kept with who and when, row by row before and after, and can be undone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from holmesvau.engine.ledger.connection import Connection
from holmesvau.engine.ledger.rows import Edit
from holmesvau.errors import InputError

# The tables that people change, and what names a row in each.
_KEYS = {
    "layers": ("video", "layer"),
    "events": ("video", "layer", "id"),
    "decisions": ("video",),
    "texts": ("address",),
    "remarks": ("address",),
    "reviews": ("id",),
}
Row = dict[str, Any]


class Change:
    """The rows that one edit touches, as they were and as they became."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.made: list[tuple[str, list[Any], Row | None, Row | None]] = []

    def put(self, table: str, key: tuple[Any, ...], row: Mapping[str, Any] | None) -> None:
        """Set the row of this key, or with None remove it."""
        before = current(self._connection, table, key)
        after = None if row is None else {**(before or {}), **row}
        if before == after:
            return
        self.made.append((table, list(key), before, after))
        place(self._connection, table, key, after)


def current(connection: Connection, table: str, key: tuple[Any, ...]) -> Row | None:
    """The row of a table that people change."""
    where = " AND ".join(f"{name} = ?" for name in _KEYS[table])
    row = connection.row(f"SELECT * FROM {table} WHERE {where}", key)
    return None if row is None else dict(row)


def place(connection: Connection, table: str, key: tuple[Any, ...], row: Row | None) -> None:
    """Make the row of that key this one; None removes it."""
    if row is not None:
        connection.insert(table, row, otherwise="REPLACE")
        return
    where = " AND ".join(f"{name} = ?" for name in _KEYS[table])
    connection.run(f"DELETE FROM {table} WHERE {where}", key)


@contextmanager
def edit(connection: Connection, who: str, action: str, video: str) -> Iterator[Change]:
    """One edit, on the disk when the block ends. An edit that changes nothing is not kept.

    Raises:
        InputError: when `who` is no name of a person.
    """
    check_name(who)
    with connection.writing(durable=True):
        change = Change(connection)
        yield change
        if change.made:
            _keep(connection, who, action, video, "edit", change.made)


def check_name(who: str) -> None:
    """Refuse what is no name of a person.

    Raises:
        InputError: naming the rule.
    """
    if not who.strip() or who != who.strip() or who.startswith("@") or len(who) > 80 or not who.isprintable():
        raise InputError(
            f"{who!r} is no name of an annotator: give 1 to 80 printable characters that do not begin with @."
        )


def undo(connection: Connection, who: str) -> Edit | None:
    """Take back the last edit of a person that stands; None when there is none.

    Raises:
        InputError: when somebody has changed the same since: then it is for them to undo first.
    """
    check_name(who)
    with connection.writing(durable=True):
        row = connection.row(
            "SELECT * FROM edits WHERE who = ? AND kind IN ('edit', 'redo') AND undone_by IS NULL "
            "ORDER BY id DESC LIMIT 1",
            (who,),
        )
        return None if row is None else _reverse(connection, dict(row), "undo")


def redo(connection: Connection, who: str) -> Edit | None:
    """Do again what was undone last, unless that person has done something else since; None for nothing.

    Raises:
        InputError: as `undo`.
    """
    check_name(who)
    with connection.writing(durable=True):
        row = connection.row(
            "SELECT * FROM edits WHERE who = ? AND kind = 'undo' AND undone_by IS NULL AND id > "
            "(SELECT coalesce(max(id), 0) FROM edits WHERE who = ? AND kind = 'edit') "
            "ORDER BY id DESC LIMIT 1",
            (who, who),
        )
        return None if row is None else _reverse(connection, dict(row), "redo")


def edits(connection: Connection, *, video: str | None = None, who: str | None = None) -> list[Edit]:
    """All edits, the oldest first."""
    rows = connection.rows(
        "SELECT * FROM edits WHERE (?1 IS NULL OR video = ?1) AND (?2 IS NULL OR who = ?2) ORDER BY id",
        (video, who),
    )
    return [_edit(dict(row)) for row in rows]


def _reverse(connection: Connection, row: Row, kind: Literal["undo", "redo"]) -> Edit:
    made = []
    for table, key, before, after in reversed(json.loads(row["changes"])):
        if current(connection, table, tuple(key)) != after:
            raise InputError(
                f"{row['action']} of {row['video']} cannot be undone: what it changed has been "
                "changed again since."
            )
        place(connection, table, tuple(key), before)
        made.append((table, key, after, before))
    number = _keep(connection, row["who"], row["action"], row["video"], kind, made)
    connection.run("UPDATE edits SET undone_by = ? WHERE id = ?", (number, row["id"]))
    found = connection.row("SELECT * FROM edits WHERE id = ?", (number,))
    assert found is not None
    return _edit(dict(found))


def _keep(connection: Connection, who: str, action: str, video: str, kind: str, made: Any) -> int:
    return connection.insert(
        "edits",
        {
            "at": time.time(),
            "who": who,
            "action": action,
            "video": video,
            "kind": kind,
            "changes": json.dumps(made, ensure_ascii=False),
        },
    )


def _edit(row: Row) -> Edit:
    return Edit(
        row["id"],
        row["at"],
        row["who"],
        row["action"],
        row["video"],
        row["kind"],
        row["undone_by"] is not None,
    )
