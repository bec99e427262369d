-- The journal of a cluster: the log, and beside it one row per conversation that equals the log's fold at every commit.
-- What people write is bytea (UTF-8), because PostgreSQL's text cannot hold NUL; names are text in byte order.
-- See src/journal/postgres/mod.rs.

CREATE TABLE conversation (
    id           uuid PRIMARY KEY,
    shop         text COLLATE "C" NOT NULL,
    channel      text COLLATE "C" NOT NULL,
    visitor      text COLLATE "C" NOT NULL,
    phase        text COLLATE "C" NOT NULL,
    group_id         text COLLATE "C",
    live         boolean NOT NULL,
    waiting      boolean NOT NULL,
    holder       uuid,
    assignee     uuid,
    opened_at    bigint NOT NULL,
    closed_at    bigint,
    wake_at      bigint,
    -- Wake-ups by slices of 16 s: within a slice a message leaves every index alone, and its update stays on the page.
    wake_slice   bigint GENERATED ALWAYS AS (wake_at >> 14) STORED,
    fence        bigint NOT NULL,
    head         bigint NOT NULL,
    visitor_head bigint NOT NULL,
    state        text NOT NULL
) WITH (fillfactor = 60);

CREATE UNIQUE INDEX conversation_live ON conversation (shop, visitor, channel) WHERE live;
CREATE INDEX conversation_waiting ON conversation (id) WHERE waiting;
CREATE INDEX conversation_holder ON conversation (holder) WHERE holder IS NOT NULL;
CREATE INDEX conversation_assignee ON conversation (assignee, id) WHERE assignee IS NOT NULL;
CREATE INDEX conversation_visitor ON conversation (visitor, id);
CREATE INDEX conversation_wake ON conversation (wake_slice) WHERE wake_slice IS NOT NULL;
CREATE INDEX conversation_closed ON conversation (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE entry (
    conversation uuid NOT NULL,
    seq          bigint NOT NULL,
    visitor_prev bigint NOT NULL,
    at           bigint NOT NULL,
    author       smallint NOT NULL,
    author_id    bytea,
    author_name  bytea,
    kind         smallint NOT NULL,
    body         bytea NOT NULL,
    client       uuid,
    digest       bigint,
    -- Whose commit it was: a tail asks for what became visible since a snapshot, which no serial number can say.
    written_by   xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (conversation, seq)
);

CREATE UNIQUE INDEX entry_client ON entry (conversation, client) WHERE client IS NOT NULL;
CREATE INDEX entry_written_by ON entry (written_by);

CREATE TABLE agent (
    id       uuid PRIMARY KEY,
    presence smallint NOT NULL,
    capacity bigint NOT NULL,
    load     bigint NOT NULL,
    version  bigint NOT NULL
) WITH (fillfactor = 60);

CREATE TABLE agent_change (
    agent    uuid NOT NULL,
    version  bigint NOT NULL,
    at       bigint NOT NULL,
    presence smallint NOT NULL,
    capacity bigint NOT NULL,
    reason   bytea,
    PRIMARY KEY (agent, version)
);

-- Counts of conversations and entries, spread over rows so that nodes do not wait for each other's commits.
CREATE TABLE tally (
    shard         smallint PRIMARY KEY,
    conversations bigint NOT NULL,
    live          bigint NOT NULL,
    entries       bigint NOT NULL
) WITH (fillfactor = 20);

CREATE TABLE secret (
    name  text PRIMARY KEY,
    value bytea NOT NULL
);

CREATE TABLE slot (
    slot     integer PRIMARY KEY,
    epoch    bigint NOT NULL,
    owner    text COLLATE "C",
    released boolean NOT NULL
) WITH (fillfactor = 60);

CREATE TABLE node (
    id          text COLLATE "C" PRIMARY KEY,
    incarnation uuid NOT NULL,
    address     text NOT NULL,
    beat_at     timestamptz NOT NULL,
    version     text NOT NULL,
    state       text NOT NULL
) WITH (fillfactor = 40);
