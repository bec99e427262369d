-- The configuration store: versioned documents with their whole history, and answers remembered for repeated requests.
-- See src/store/mod.rs.

CREATE TABLE document (
    kind       text COLLATE "C" NOT NULL,
    id         text COLLATE "C" NOT NULL,
    version    bigint NOT NULL,
    body       text NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (kind, id)
);

CREATE TABLE document_change (
    revision bigint PRIMARY KEY,
    kind     text COLLATE "C" NOT NULL,
    id       text COLLATE "C" NOT NULL,
    version  bigint NOT NULL,
    body     text,
    author   text NOT NULL,
    at       bigint NOT NULL
);

CREATE UNIQUE INDEX document_change_version ON document_change (kind, id, version);

CREATE TABLE remembered_answer (
    scope  text COLLATE "C" NOT NULL,
    key    text COLLATE "C" NOT NULL,
    digest bigint NOT NULL,
    status integer NOT NULL,
    body   text NOT NULL,
    at     bigint NOT NULL,
    PRIMARY KEY (scope, key)
);

CREATE INDEX remembered_answer_at ON remembered_answer (at);
