-- Who learns in which cohort, and who looks after it: by the members' tokens, or by the API.

CREATE TABLE cohort_member (
    site_id UUID   NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    cohort  TEXT   NOT NULL CHECK (length(cohort) BETWEEN 1 AND 100),
    role    TEXT   NOT NULL CHECK (role IN ('learner', 'staff')),
    user_id TEXT   NOT NULL,
    source  TEXT   NOT NULL CHECK (source IN ('token', 'api')),
    at      BIGINT NOT NULL,
    PRIMARY KEY (site_id, cohort, role, user_id)
);

CREATE INDEX cohort_member_user ON cohort_member (site_id, user_id);
