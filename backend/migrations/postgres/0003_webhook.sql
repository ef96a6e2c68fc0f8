-- The outbox (W1): a message is written in the transaction that changed learning, its deliveries beside it.

CREATE TABLE webhook_endpoint (
    id              UUID    NOT NULL PRIMARY KEY,
    site_id         UUID    NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    url             TEXT    NOT NULL,
    event_types     TEXT    NOT NULL,              -- JSON array; empty: all
    enabled         BOOLEAN NOT NULL,
    disabled_reason TEXT,
    created_at      BIGINT  NOT NULL,
    updated_at      BIGINT  NOT NULL,
    UNIQUE (site_id, id)
);

CREATE TABLE webhook_secret (
    id          UUID    NOT NULL PRIMARY KEY,
    site_id     UUID    NOT NULL,
    endpoint_id UUID    NOT NULL,
    secret      TEXT    NOT NULL,
    created_at  BIGINT  NOT NULL,
    expires_at  BIGINT,
    FOREIGN KEY (site_id, endpoint_id) REFERENCES webhook_endpoint (site_id, id) ON DELETE CASCADE
);

CREATE INDEX webhook_secret_endpoint ON webhook_secret (site_id, endpoint_id);

-- The id is the event's and stays the same over retries (W3).
CREATE TABLE webhook_message (
    id         UUID    NOT NULL PRIMARY KEY,
    site_id    UUID    NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    type       TEXT    NOT NULL,
    dedupe_key TEXT    NOT NULL UNIQUE,
    payload    TEXT    NOT NULL,                   -- JSON, as it is sent
    created_at BIGINT  NOT NULL,
    UNIQUE (site_id, id)
);

CREATE TABLE webhook_delivery (
    id          UUID    NOT NULL PRIMARY KEY,
    site_id     UUID    NOT NULL,
    message_id  UUID    NOT NULL,
    endpoint_id UUID    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('pending', 'delivered', 'parked')),
    attempts    INTEGER NOT NULL CHECK (attempts >= 0),
    next_at     BIGINT  NOT NULL,
    lease_until BIGINT  NOT NULL,
    lease_owner TEXT,
    last_status INTEGER,
    last_error  TEXT,
    created_at  BIGINT  NOT NULL,
    finished_at BIGINT,
    UNIQUE (message_id, endpoint_id),
    UNIQUE (site_id, id),
    FOREIGN KEY (site_id, message_id) REFERENCES webhook_message (site_id, id) ON DELETE CASCADE,
    FOREIGN KEY (site_id, endpoint_id) REFERENCES webhook_endpoint (site_id, id) ON DELETE CASCADE
);

-- The dispatcher walks it from endpoint to endpoint.
CREATE INDEX webhook_delivery_due ON webhook_delivery (endpoint_id, next_at) WHERE state = 'pending';
CREATE INDEX webhook_delivery_endpoint ON webhook_delivery (site_id, endpoint_id, id);

CREATE TABLE webhook_attempt (
    id               UUID    NOT NULL PRIMARY KEY,
    site_id          UUID    NOT NULL,
    delivery_id      UUID    NOT NULL,
    at               BIGINT  NOT NULL,
    status           INTEGER,
    error            TEXT,
    duration_ms      BIGINT  NOT NULL,
    response_excerpt TEXT,
    FOREIGN KEY (site_id, delivery_id) REFERENCES webhook_delivery (site_id, id) ON DELETE CASCADE
);

CREATE INDEX webhook_attempt_delivery ON webhook_attempt (site_id, delivery_id);
