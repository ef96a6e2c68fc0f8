-- A tenant and who may speak for it. Its SQLite twin describes the same schema (a test compares them).
-- Times are milliseconds since the Unix epoch, JSON is TEXT. BIGINT is i64, INTEGER is i32 in Rust.

CREATE TABLE site (
    id           UUID    NOT NULL PRIMARY KEY,
    slug         TEXT    NOT NULL UNIQUE,
    name         TEXT    NOT NULL,
    default_lang TEXT    NOT NULL,
    languages    TEXT    NOT NULL,                 -- JSON array of tags
    login_url    TEXT,
    look         TEXT    NOT NULL,                 -- JSON object
    revision     BIGINT  NOT NULL CHECK (revision > 0), -- grows with every change of the site, its origins or its keys
    created_at   BIGINT  NOT NULL,
    updated_at   BIGINT  NOT NULL
);

CREATE TABLE site_origin (
    site_id UUID    NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    origin  TEXT    NOT NULL,
    PRIMARY KEY (site_id, origin)
);

CREATE TABLE signing_key (
    id         UUID    NOT NULL PRIMARY KEY,
    site_id    UUID    NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    kid        TEXT,
    algorithm  TEXT    NOT NULL CHECK (algorithm IN ('HS256', 'RS256', 'ES256', 'EdDSA', 'JWKS')),
    material   TEXT    NOT NULL,                   -- secret, PEM public key or address of the key set
    created_at BIGINT  NOT NULL,
    expires_at BIGINT
);

CREATE INDEX signing_key_site ON signing_key (site_id);

CREATE TABLE api_key (
    id         UUID    NOT NULL PRIMARY KEY,
    site_id    UUID    REFERENCES site (id) ON DELETE CASCADE, -- null: for the whole server
    name       TEXT    NOT NULL,
    hash       BYTEA   NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    scopes     TEXT    NOT NULL,                   -- JSON array
    created_at BIGINT  NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);

CREATE INDEX api_key_site ON api_key (site_id);

CREATE TABLE server_secret (
    name       TEXT    NOT NULL PRIMARY KEY,
    value      TEXT    NOT NULL,
    created_at BIGINT  NOT NULL
);

CREATE TABLE guest (
    id          UUID    NOT NULL PRIMARY KEY,
    site_id     UUID    NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    created_at  BIGINT  NOT NULL,
    expires_at  BIGINT  NOT NULL,
    revoked_at  BIGINT,
    merged_into TEXT,                              -- the user's `sub` (M5)
    merged_at   BIGINT,
    receipt     TEXT,                              -- JSON: what the merge answered (M3)
    UNIQUE (site_id, id),
    CHECK ((merged_into IS NULL) = (merged_at IS NULL))
);

CREATE INDEX guest_expiry ON guest (expires_at);
CREATE INDEX guest_merged ON guest (site_id, merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX guest_revoked ON guest (revoked_at) WHERE revoked_at IS NOT NULL; -- every server keeps these in memory
