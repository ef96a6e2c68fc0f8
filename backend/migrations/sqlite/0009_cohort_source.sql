-- Who is in a cohort by token and by API stays in it when one of the two takes them out.

CREATE TABLE cohort_member_of (
    site_id BLOB NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    cohort  TEXT NOT NULL,
    role    TEXT NOT NULL CHECK (role IN ('learner', 'staff')),
    user_id TEXT NOT NULL,
    source  TEXT NOT NULL CHECK (source IN ('token', 'api')),
    at      INTEGER NOT NULL,
    PRIMARY KEY (site_id, cohort, role, user_id, source)
) STRICT, WITHOUT ROWID;

INSERT INTO cohort_member_of (site_id, cohort, role, user_id, source, at)
SELECT site_id, cohort, role, user_id, source, at FROM cohort_member;

DROP TABLE cohort_member;
ALTER TABLE cohort_member_of RENAME TO cohort_member;
CREATE INDEX cohort_member_user ON cohort_member (site_id, user_id);
