-- Courses, the lessons and question banks they share, and the ways of learners through them.

CREATE TABLE course (
    id                BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    site_id           BLOB    NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    slug              TEXT    NOT NULL,
    state             TEXT    NOT NULL CHECK (state IN ('draft', 'published', 'deprecated')),
    published_version INTEGER,
    latest_version    INTEGER NOT NULL CHECK (latest_version > 0),
    revision          INTEGER NOT NULL CHECK (revision > 0),
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    UNIQUE (site_id, slug),
    UNIQUE (site_id, id),
    CHECK (published_version IS NULL OR published_version BETWEEN 1 AND latest_version),
    CHECK (state = 'draft' OR published_version IS NOT NULL)
) STRICT;

CREATE TABLE course_version (
    course_id    BLOB    NOT NULL,
    version      INTEGER NOT NULL CHECK (version > 0),
    site_id      BLOB    NOT NULL,
    definition   TEXT    NOT NULL,                 -- JSON: answer keys included, so never sent as it is (S4)
    created_at   INTEGER NOT NULL,
    published_at INTEGER,
    PRIMARY KEY (course_id, version),
    FOREIGN KEY (site_id, course_id) REFERENCES course (site_id, id) ON DELETE CASCADE
) STRICT;

-- A lesson or a bank that several courses hold: as it was last written. Courses keep what they were written with.
CREATE TABLE course_part (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    site_id    BLOB    NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    kind       TEXT    NOT NULL CHECK (kind IN ('lesson', 'bank')),
    slug       TEXT    NOT NULL,
    revision   INTEGER NOT NULL CHECK (revision > 0),
    written    TEXT    NOT NULL,                   -- JSON: source and ids
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (site_id, kind, slug)
) STRICT;

CREATE TABLE course_enrollment (
    id                 BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    site_id            BLOB    NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    course_id          BLOB    NOT NULL,
    course_version     INTEGER NOT NULL,
    user_id            TEXT,
    guest_id           BLOB,
    version            INTEGER NOT NULL CHECK (version > 0),
    started_at         INTEGER NOT NULL,
    completed_at       INTEGER,
    score              INTEGER CHECK (score BETWEEN 0 AND 10000), -- hundredths of a percent (S1)
    confirmed          INTEGER NOT NULL CHECK (confirmed >= 0),   -- ten-thousandths of a point (C3)
    potential          INTEGER NOT NULL CHECK (potential >= 0),
    answered           INTEGER NOT NULL CHECK (answered >= 0),    -- questions (C4)
    needed_complete    INTEGER NOT NULL CHECK (needed_complete >= 0),
    time_spent_seconds INTEGER NOT NULL CHECK (time_spent_seconds >= 0),
    gates              TEXT    NOT NULL,           -- JSON: how far the gates are open (C1)
    lang               TEXT,
    CHECK ((user_id IS NULL) <> (guest_id IS NULL)), -- XOR: never both, never neither
    UNIQUE (course_id, user_id),
    UNIQUE (course_id, guest_id),
    UNIQUE (site_id, id),
    FOREIGN KEY (site_id, course_id) REFERENCES course (site_id, id) ON DELETE CASCADE,
    FOREIGN KEY (course_id, course_version) REFERENCES course_version (course_id, version),
    FOREIGN KEY (site_id, guest_id) REFERENCES guest (site_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX course_enrollment_user ON course_enrollment (site_id, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX course_enrollment_guest ON course_enrollment (site_id, guest_id) WHERE guest_id IS NOT NULL;

-- A row an item, found by lesson: what a decision reads does not grow with the course.
CREATE TABLE item_progress (
    site_id       BLOB NOT NULL,
    enrollment_id BLOB NOT NULL,
    lesson_id     BLOB NOT NULL CHECK (length(lesson_id) = 16),
    item_id       BLOB NOT NULL CHECK (length(item_id) = 16),
    progress      TEXT NOT NULL,                   -- JSON
    PRIMARY KEY (enrollment_id, lesson_id, item_id),
    FOREIGN KEY (site_id, enrollment_id) REFERENCES course_enrollment (site_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Every attempt as it is graded now: for graders, recalculation and statistics.
CREATE TABLE quiz_attempt (
    site_id       BLOB    NOT NULL,
    enrollment_id BLOB    NOT NULL,
    quiz_id       BLOB    NOT NULL CHECK (length(quiz_id) = 16),
    attempt       INTEGER NOT NULL CHECK (attempt > 0),
    course_version INTEGER NOT NULL CHECK (course_version > 0),
    record        TEXT    NOT NULL,                -- JSON: what became of each question
    answers       TEXT    NOT NULL,                -- JSON
    at            INTEGER NOT NULL,
    PRIMARY KEY (enrollment_id, quiz_id, attempt),
    FOREIGN KEY (site_id, enrollment_id) REFERENCES course_enrollment (site_id, id) ON DELETE CASCADE
) STRICT;

-- An open answer, from the moment it waits for a grader.
CREATE TABLE open_answer (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    site_id       BLOB    NOT NULL,
    enrollment_id BLOB    NOT NULL,
    course_id     BLOB    NOT NULL,
    lesson_id     BLOB    NOT NULL CHECK (length(lesson_id) = 16),
    item_id       BLOB    NOT NULL CHECK (length(item_id) = 16),
    quiz_id       BLOB    NOT NULL CHECK (length(quiz_id) = 16),
    attempt       INTEGER NOT NULL CHECK (attempt > 0),
    question_id   BLOB    NOT NULL CHECK (length(question_id) = 16),
    points        INTEGER NOT NULL CHECK (points > 0),
    answer        TEXT    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('waiting', 'accepted', 'rejected')),
    queued        INTEGER NOT NULL CHECK (queued IN (0, 1)), -- a grader is to look at it, perhaps once more
    asked_by      TEXT,                            -- who asked for a second opinion
    claimed_by    TEXT,
    claimed_until INTEGER,
    score         INTEGER CHECK (score BETWEEN 1 AND 10000), -- C2: accepted is more than 0
    comment       TEXT,
    graded_at     INTEGER,
    at            INTEGER NOT NULL,
    UNIQUE (enrollment_id, quiz_id, attempt, question_id),
    UNIQUE (site_id, id),
    CHECK ((claimed_by IS NULL) = (claimed_until IS NULL)),
    CHECK ((state = 'accepted') = (score IS NOT NULL)),
    CHECK ((state = 'waiting') = (graded_at IS NULL)),
    CHECK (state <> 'waiting' OR queued = 1),
    FOREIGN KEY (site_id, enrollment_id) REFERENCES course_enrollment (site_id, id) ON DELETE CASCADE,
    FOREIGN KEY (site_id, course_id) REFERENCES course (site_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX open_answer_queue ON open_answer (site_id, id) WHERE queued = 1;

-- What graders said of an open answer, one after the other.
CREATE TABLE grade (
    site_id        BLOB    NOT NULL,
    open_answer_id BLOB    NOT NULL,
    number         INTEGER NOT NULL CHECK (number > 0),
    grader         TEXT,                           -- nobody any more, once they are erased
    score          INTEGER CHECK (score BETWEEN 1 AND 10000),
    comment        TEXT    NOT NULL,
    at             INTEGER NOT NULL,
    PRIMARY KEY (open_answer_id, number),
    FOREIGN KEY (site_id, open_answer_id) REFERENCES open_answer (site_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX grade_grader ON grade (site_id, grader) WHERE grader IS NOT NULL;

-- A question of a shared lesson, answered right: stored once, counts in every course that holds the lesson.
CREATE TABLE shared_answer (
    site_id     BLOB    NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    user_id     TEXT    NOT NULL,
    lesson_id   BLOB    NOT NULL CHECK (length(lesson_id) = 16),
    question_id BLOB    NOT NULL CHECK (length(question_id) = 16),
    at          INTEGER NOT NULL,
    PRIMARY KEY (site_id, user_id, lesson_id, question_id)
) STRICT, WITHOUT ROWID;
