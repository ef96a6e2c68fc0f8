-- The outbox (W1): a message is written in the transaction that changed learning, its deliveries beside it.

CREATE TABLE webhook_endpoint (
    id              BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    site_id         BLOB    NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    url             TEXT    NOT NULL,
    event_types     TEXT    NOT NULL,              -- JSON array; empty: all
    enabled         INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    disabled_reason TEXT,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    UNIQUE (site_id, id)
) STRICT;

CREATE TABLE webhook_secret (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    site_id     BLOB    NOT NULL,
    endpoint_id BLOB    NOT NULL,
    secret      TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER,
    FOREIGN KEY (site_id, endpoint_id) REFERENCES webhook_endpoint (site_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX webhook_secret_endpoint ON webhook_secret (site_id, endpoint_id);

-- The id is the event's and stays the same over retries (W3).
CREATE TABLE webhook_message (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    site_id    BLOB    NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    type       TEXT    NOT NULL,
    dedupe_key TEXT    NOT NULL UNIQUE,
    payload    TEXT    NOT NULL,                   -- JSON, as it is sent
    created_at INTEGER NOT NULL,
    UNIQUE (site_id, id)
) STRICT;

CREATE TABLE webhook_delivery (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    site_id     BLOB    NOT NULL,
    message_id  BLOB    NOT NULL,
    endpoint_id BLOB    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('pending', 'delivered', 'parked')),
    attempts    INTEGER NOT NULL CHECK (attempts >= 0),
    next_at     INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    lease_owner TEXT,
    last_status INTEGER,
    last_error  TEXT,
    created_at  INTEGER NOT NULL,
    finished_at INTEGER,
    UNIQUE (message_id, endpoint_id),
    UNIQUE (site_id, id),
    FOREIGN KEY (site_id, message_id) REFERENCES webhook_message (site_id, id) ON DELETE CASCADE,
    FOREIGN KEY (site_id, endpoint_id) REFERENCES webhook_endpoint (site_id, id) ON DELETE CASCADE
) STRICT;

-- The dispatcher walks it from endpoint to endpoint.
CREATE INDEX webhook_delivery_due ON webhook_delivery (endpoint_id, next_at) WHERE state = 'pending';
CREATE INDEX webhook_delivery_endpoint ON webhook_delivery (site_id, endpoint_id, id);

CREATE TABLE webhook_attempt (
    id               BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    site_id          BLOB    NOT NULL,
    delivery_id      BLOB    NOT NULL,
    at               INTEGER NOT NULL,
    status           INTEGER,
    error            TEXT,
    duration_ms      INTEGER NOT NULL,
    response_excerpt TEXT,
    FOREIGN KEY (site_id, delivery_id) REFERENCES webhook_delivery (site_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX webhook_attempt_delivery ON webhook_attempt (site_id, delivery_id);
