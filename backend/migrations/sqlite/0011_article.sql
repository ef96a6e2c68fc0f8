-- Articles of content providers outside: where they are fetched, and the copies that are shown.

CREATE TABLE article_provider (
    site_id    BLOB    NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    name       TEXT    NOT NULL,
    url        TEXT    NOT NULL,                   -- with {id}, perhaps {lang}
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (site_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE article_copy (
    site_id    BLOB    NOT NULL,
    provider   TEXT    NOT NULL,
    article    TEXT    NOT NULL,                   -- its id there
    asked_lang TEXT    NOT NULL,
    lang       TEXT    NOT NULL,                   -- what came
    title      TEXT,
    content    TEXT    NOT NULL,                   -- HTML, sanitised
    url        TEXT,
    etag       TEXT,
    fetched_at INTEGER NOT NULL,
    PRIMARY KEY (site_id, provider, article, asked_lang),
    FOREIGN KEY (site_id, provider) REFERENCES article_provider (site_id, name) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- When something was last done in a course, to the minute: who else is here.
ALTER TABLE course_enrollment ADD COLUMN active_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX course_enrollment_active ON course_enrollment (course_id, active_at);

-- What learners think of a course.
CREATE TABLE course_evaluation (
    site_id       BLOB    NOT NULL,
    enrollment_id BLOB    NOT NULL PRIMARY KEY,
    rating        INTEGER NOT NULL CHECK (rating BETWEEN 1 AND 5),
    comment       TEXT,
    at            INTEGER NOT NULL,
    FOREIGN KEY (site_id, enrollment_id) REFERENCES course_enrollment (site_id, id) ON DELETE CASCADE
) STRICT;
