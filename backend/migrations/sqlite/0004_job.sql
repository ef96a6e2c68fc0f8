-- Periodic jobs: one row a job is its lease, so that of several backends one runs it.

CREATE TABLE job (
    name        TEXT    NOT NULL PRIMARY KEY,
    lease_until INTEGER NOT NULL,
    lease_owner TEXT,
    last_run_at INTEGER
) STRICT, WITHOUT ROWID;
