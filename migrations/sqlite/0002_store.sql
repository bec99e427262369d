-- The configuration store: versioned documents with their whole history, and answers remembered for repeated requests.
-- See src/store/mod.rs.

CREATE TABLE document (
    kind       TEXT NOT NULL,
    id         TEXT NOT NULL,
    version    INTEGER NOT NULL,
    body       TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE document_change (
    revision INTEGER PRIMARY KEY AUTOINCREMENT,
    kind     TEXT NOT NULL,
    id       TEXT NOT NULL,
    version  INTEGER NOT NULL,
    body     TEXT,
    author   TEXT NOT NULL,
    at       INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX document_change_version ON document_change (kind, id, version);

CREATE TABLE remembered_answer (
    scope  TEXT NOT NULL,
    key    TEXT NOT NULL,
    digest INTEGER NOT NULL,
    status INTEGER NOT NULL,
    body   TEXT NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX remembered_answer_at ON remembered_answer (at);
