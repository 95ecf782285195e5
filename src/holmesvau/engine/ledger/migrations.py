"""The ledger's tables as numbered steps: an older ledger is brought up to date when it is opened.

A step is never changed once released; what changes gets a new number. `user_version` of the file is the
number of its last step.
"""

from __future__ import annotations

import sqlite3

# What people and machines say of videos; each edit of a person is kept with who and when.
_PEOPLE = """
CREATE TABLE videos(
    name TEXT PRIMARY KEY, position INTEGER NOT NULL, path TEXT NOT NULL, labels TEXT NOT NULL,
    content TEXT NOT NULL DEFAULT '', n_frames INTEGER NOT NULL DEFAULT 0, fps REAL NOT NULL DEFAULT 0,
    duration REAL NOT NULL DEFAULT 0, width INTEGER NOT NULL DEFAULT 0, height INTEGER NOT NULL DEFAULT 0,
    problem TEXT NOT NULL DEFAULT '', decoupled TEXT NOT NULL DEFAULT '', clips TEXT NOT NULL DEFAULT '[]');
CREATE TABLE curves(
    video TEXT PRIMARY KEY, seconds BLOB NOT NULL, scores BLOB NOT NULL, frames BLOB NOT NULL,
    stride_seconds REAL NOT NULL, scorer TEXT NOT NULL);
CREATE TABLE layers(
    video TEXT NOT NULL, layer TEXT NOT NULL, begun REAL NOT NULL, PRIMARY KEY(video, layer));
CREATE TABLE events(
    video TEXT NOT NULL, layer TEXT NOT NULL, id TEXT NOT NULL, start REAL NOT NULL, end REAL NOT NULL,
    label TEXT NOT NULL, normal INTEGER NOT NULL, score REAL, PRIMARY KEY(video, layer, id));
CREATE TABLE decisions(
    video TEXT PRIMARY KEY, layer TEXT, confirmed_by TEXT NOT NULL DEFAULT '', confirmed_at REAL,
    left_out TEXT NOT NULL DEFAULT '');
CREATE TABLE texts(
    address TEXT PRIMARY KEY, level TEXT NOT NULL, video TEXT NOT NULL, event TEXT NOT NULL,
    start REAL, end REAL, parts TEXT NOT NULL, who TEXT NOT NULL, at REAL NOT NULL, basis TEXT NOT NULL);
CREATE INDEX texts_video ON texts(video);
CREATE TABLE remarks(
    address TEXT PRIMARY KEY, video TEXT NOT NULL, remark TEXT NOT NULL, who TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE reviews(
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, address TEXT NOT NULL, level TEXT NOT NULL,
    video TEXT NOT NULL, event TEXT NOT NULL, start REAL, end REAL, key TEXT NOT NULL, gate TEXT NOT NULL,
    reason TEXT NOT NULL,
    opened_at REAL NOT NULL, state TEXT NOT NULL, who TEXT NOT NULL DEFAULT '', decided_at REAL,
    note TEXT NOT NULL DEFAULT '');
CREATE INDEX reviews_state ON reviews(state, video);
CREATE TABLE edits(
    id INTEGER PRIMARY KEY, at REAL NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL, video TEXT NOT NULL,
    kind TEXT NOT NULL, changes TEXT NOT NULL, undone_by INTEGER);
CREATE INDEX edits_who ON edits(who, id);
"""

# What is to be done, by whom, and everything a model has said.
_WORK = """
CREATE TABLE wanted(
    address TEXT PRIMARY KEY, level TEXT NOT NULL, video TEXT NOT NULL, event TEXT NOT NULL,
    start REAL, end REAL, stage TEXT NOT NULL, key TEXT NOT NULL, basis TEXT NOT NULL);
CREATE INDEX wanted_key ON wanted(key);
CREATE INDEX wanted_video ON wanted(video);
CREATE TABLE items(
    key TEXT PRIMARY KEY, stage TEXT NOT NULL, provider TEXT NOT NULL, payload TEXT NOT NULL,
    tokens INTEGER NOT NULL, money REAL NOT NULL, state TEXT NOT NULL, owner TEXT NOT NULL DEFAULT '',
    until REAL NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0, answer INTEGER,
    problem TEXT NOT NULL DEFAULT '', made_at REAL NOT NULL, ended_at REAL);
CREATE INDEX items_state ON items(state, provider);
CREATE TABLE answers(
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, try INTEGER NOT NULL, parts TEXT, raw TEXT NOT NULL,
    problem TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL, prompt TEXT NOT NULL,
    tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, money REAL NOT NULL, seconds REAL NOT NULL,
    at REAL NOT NULL, worker TEXT NOT NULL);
CREATE INDEX answers_key ON answers(key);
CREATE TABLE verdicts(
    answer INTEGER NOT NULL, gate TEXT NOT NULL, passed INTEGER NOT NULL, message TEXT NOT NULL,
    PRIMARY KEY(answer, gate)) WITHOUT ROWID;
CREATE TABLE likeness(
    band TEXT NOT NULL, stage TEXT NOT NULL, answer INTEGER NOT NULL,
    PRIMARY KEY(band, stage, answer)) WITHOUT ROWID;
CREATE TABLE prompts(
    digest TEXT PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE spent(
    provider TEXT PRIMARY KEY, tokens INTEGER NOT NULL DEFAULT 0, money REAL NOT NULL DEFAULT 0,
    requests INTEGER NOT NULL DEFAULT 0, ready_at REAL NOT NULL DEFAULT 0);
"""

# What the ledger was last worked on with.
_NOTES = """
CREATE TABLE notes(name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

# The next items to do, however many there are.
_NEXT = """
DROP INDEX items_state;
CREATE INDEX items_next ON items(state, stage, made_at);
"""

STEPS = (_PEOPLE, _WORK, _NOTES, _NEXT)


def apply(connection: sqlite3.Connection) -> int:
    """Bring a ledger up to date, each step whole or not at all; its version afterwards.

    A ledger of a newer program is left as it is: its version comes back larger than the number of `STEPS`.
    """
    version = _version(connection)
    while version < len(STEPS):
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have done it while this one waited.
            version = _version(connection)
            if version < len(STEPS):
                for statement in STEPS[version].split(";\n"):
                    if statement.strip():
                        connection.execute(statement)
                version += 1
                connection.execute(f"PRAGMA user_version = {version}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    return version


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
