-- A tenant and who may speak for it. Its PostgreSQL twin describes the same schema (a test compares them).
-- Ids are 16-byte BLOBs (UUIDv7), times are milliseconds since the Unix epoch, JSON is TEXT.

CREATE TABLE site (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    slug         TEXT    NOT NULL UNIQUE,
    name         TEXT    NOT NULL,
    default_lang TEXT    NOT NULL,
    languages    TEXT    NOT NULL,                 -- JSON array of tags
    login_url    TEXT,
    look         TEXT    NOT NULL,                 -- JSON object
    revision     INTEGER NOT NULL CHECK (revision > 0), -- grows with every change of the site, its origins or its keys
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE site_origin (
    site_id BLOB NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    origin  TEXT NOT NULL,
    PRIMARY KEY (site_id, origin)
) STRICT, WITHOUT ROWID;

CREATE TABLE signing_key (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    site_id    BLOB    NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    kid        TEXT,
    algorithm  TEXT    NOT NULL CHECK (algorithm IN ('HS256', 'RS256', 'ES256', 'EdDSA', 'JWKS')),
    material   TEXT    NOT NULL,                   -- secret, PEM public key or address of the key set
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;

CREATE INDEX signing_key_site ON signing_key (site_id);

CREATE TABLE api_key (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    site_id    BLOB    REFERENCES site (id) ON DELETE CASCADE, -- null: for the whole server
    name       TEXT    NOT NULL,
    hash       BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    scopes     TEXT    NOT NULL,                   -- JSON array
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;

CREATE INDEX api_key_site ON api_key (site_id);

CREATE TABLE server_secret (
    name       TEXT    NOT NULL PRIMARY KEY,
    value      TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE guest (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    site_id     BLOB    NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    revoked_at  INTEGER,
    merged_into TEXT,                              -- the user's `sub` (M5)
    merged_at   INTEGER,
    receipt     TEXT,                              -- JSON: what the merge answered (M3)
    UNIQUE (site_id, id),
    CHECK ((merged_into IS NULL) = (merged_at IS NULL))
) STRICT;

CREATE INDEX guest_expiry ON guest (expires_at);
CREATE INDEX guest_merged ON guest (site_id, merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX guest_revoked ON guest (revoked_at) WHERE revoked_at IS NOT NULL; -- every server keeps these in memory
