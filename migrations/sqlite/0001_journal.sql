-- The journal: an append-only log without secondary indexes (its entries are linked by back and skip), and beside it
-- one row per conversation that is a cache of the log's fold. See src/journal/sqlite/mod.rs.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE entry (
    pos          INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    visitor_prev INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    author       INTEGER NOT NULL,
    author_id    BLOB,
    author_name  TEXT,
    kind         INTEGER NOT NULL,
    body         TEXT NOT NULL,
    client       BLOB,
    digest       INTEGER,
    back         INTEGER NOT NULL,
    skip         INTEGER NOT NULL
) STRICT;

CREATE TABLE conversation (
    key       INTEGER PRIMARY KEY,
    id        BLOB NOT NULL UNIQUE,
    shop      TEXT NOT NULL,
    channel   TEXT NOT NULL,
    visitor   TEXT NOT NULL,
    live      INTEGER NOT NULL,
    waiting   INTEGER NOT NULL,
    holder    BLOB,
    assignee  BLOB,
    opened_at INTEGER NOT NULL,
    closed_at INTEGER,
    wake_at   INTEGER,
    fence     INTEGER NOT NULL,
    head      INTEGER NOT NULL,
    last_pos  INTEGER NOT NULL,
    state     TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX conversation_live ON conversation (shop, visitor, channel) WHERE live = 1;
CREATE INDEX conversation_live_id ON conversation (id) WHERE live = 1;
CREATE INDEX conversation_waiting ON conversation (id) WHERE waiting = 1;
CREATE INDEX conversation_holder ON conversation (holder) WHERE holder IS NOT NULL;
CREATE INDEX conversation_assignee ON conversation (assignee, id) WHERE assignee IS NOT NULL;
CREATE INDEX conversation_visitor ON conversation (visitor, id);
CREATE INDEX conversation_wake ON conversation (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX conversation_closed ON conversation (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE agent (
    id       BLOB PRIMARY KEY,
    presence INTEGER NOT NULL,
    capacity INTEGER NOT NULL,
    load     INTEGER NOT NULL,
    version  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_change (
    agent    BLOB NOT NULL,
    version  INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    presence INTEGER NOT NULL,
    capacity INTEGER NOT NULL,
    reason   TEXT,
    PRIMARY KEY (agent, version)
) STRICT, WITHOUT ROWID;
