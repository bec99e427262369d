-- Whether the other nodes hear this one by the bus, as it says with each beat: while one of them does not, all read the log.
-- Nodes of the version before do not say, and count as heard.

ALTER TABLE node ADD COLUMN is_heard boolean NOT NULL DEFAULT true;
