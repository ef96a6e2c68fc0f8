-- Tracks, the ways of learners through them, and the events these add up from (V1).

CREATE TABLE track (
    id                UUID    NOT NULL PRIMARY KEY,
    site_id           UUID    NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    slug              TEXT    NOT NULL,
    track_type        TEXT    NOT NULL,
    state             TEXT    NOT NULL CHECK (state IN ('draft', 'published', 'retired')),
    cms_block_enabled BOOLEAN NOT NULL,
    published_version INTEGER,
    latest_version    INTEGER NOT NULL CHECK (latest_version > 0),
    revision          BIGINT  NOT NULL CHECK (revision > 0),
    created_at        BIGINT  NOT NULL,
    updated_at        BIGINT  NOT NULL,
    UNIQUE (site_id, slug),
    UNIQUE (site_id, id),
    CHECK (published_version IS NULL OR published_version BETWEEN 1 AND latest_version),
    CHECK (state <> 'published' OR published_version IS NOT NULL)
);

CREATE TABLE track_version (
    track_id     UUID    NOT NULL,
    version      INTEGER NOT NULL CHECK (version > 0),
    site_id      UUID    NOT NULL,
    definition   TEXT    NOT NULL,                 -- JSON: answer keys included, so never sent as it is (S4)
    created_at   BIGINT  NOT NULL,
    published_at BIGINT,
    PRIMARY KEY (track_id, version),
    FOREIGN KEY (site_id, track_id) REFERENCES track (site_id, id) ON DELETE CASCADE
);

CREATE TABLE enrollment (
    id                 UUID    NOT NULL PRIMARY KEY,
    site_id            UUID    NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    track_id           UUID    NOT NULL,
    track_version      INTEGER NOT NULL,
    user_id            TEXT,
    guest_id           UUID,
    current_step_order INTEGER NOT NULL CHECK (current_step_order >= 0),
    version            BIGINT  NOT NULL CHECK (version > 0),
    started_at         BIGINT  NOT NULL,
    completed_at       BIGINT,
    score              INTEGER CHECK (score BETWEEN 0 AND 10000), -- hundredths of a percent (S1)
    time_spent_seconds BIGINT  NOT NULL CHECK (time_spent_seconds >= 0),
    lang               TEXT,
    merged_from_guest  BOOLEAN NOT NULL,
    progress           TEXT    NOT NULL,           -- JSON: per step
    CHECK ((user_id IS NULL) <> (guest_id IS NULL)), -- XOR: never both, never neither
    UNIQUE (track_id, user_id),
    UNIQUE (track_id, guest_id),
    FOREIGN KEY (site_id, track_id) REFERENCES track (site_id, id) ON DELETE CASCADE,
    FOREIGN KEY (track_id, track_version) REFERENCES track_version (track_id, version),
    FOREIGN KEY (site_id, guest_id) REFERENCES guest (site_id, id) ON DELETE CASCADE
) WITH (fillfactor = 80); -- room on the page for updates that touch no index

CREATE INDEX enrollment_user ON enrollment (site_id, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX enrollment_guest ON enrollment (site_id, guest_id) WHERE guest_id IS NOT NULL;

-- The key starts with the site, so that one tenant's audit trail lies together and reads in order.
CREATE TABLE event (
    id         UUID    NOT NULL,
    site_id    UUID    NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    subject_id UUID    NOT NULL,              -- what changed: an enrollment, a guest
    seq        BIGINT  NOT NULL CHECK (seq > 0),   -- 1, 2, … within the subject
    type       TEXT    NOT NULL,
    user_id    TEXT,
    guest_id   UUID,
    at         BIGINT  NOT NULL,
    cause      TEXT,                               -- idempotency key of the request
    payload    TEXT    NOT NULL,                   -- JSON
    PRIMARY KEY (site_id, id),
    UNIQUE (subject_id, seq),
    CHECK (user_id IS NULL OR guest_id IS NULL)
);

CREATE INDEX event_user ON event (site_id, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX event_guest ON event (site_id, guest_id) WHERE guest_id IS NOT NULL;

-- Events are appended, never edited. Deleting is left open to erasure alone.
CREATE FUNCTION refuse_event_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are append-only';
END
$$;

CREATE TRIGGER event_append_only BEFORE UPDATE ON event
FOR EACH ROW EXECUTE FUNCTION refuse_event_update();

CREATE TABLE idempotency (
    site_id     UUID    NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    caller      TEXT    NOT NULL,
    key         UUID    NOT NULL,
    fingerprint BYTEA   NOT NULL,
    status      INTEGER NOT NULL,
    response    TEXT    NOT NULL,
    created_at  BIGINT  NOT NULL,
    PRIMARY KEY (site_id, caller, key)
);

CREATE INDEX idempotency_age ON idempotency (created_at);
