-- A second opinion is somebody else's: of one answer, each grader has one grade. Grades from before, when it was
-- possible to give another, keep their number in `repeated`, so that the constraint holds for all that come.
ALTER TABLE grade ADD COLUMN repeated INTEGER NOT NULL DEFAULT 0;

UPDATE grade SET repeated = number WHERE grader IS NOT NULL AND EXISTS (
    SELECT 1 FROM grade AS earlier WHERE earlier.open_answer_id = grade.open_answer_id AND earlier.grader = grade.grader
        AND earlier.number < grade.number);

-- Whoever was erased is nobody, and nobody is not the same as nobody.
CREATE UNIQUE INDEX grade_once ON grade (open_answer_id, grader, repeated);

-- The members who are the instructors of a version of a course: those of the newest one may change the course.
CREATE TABLE course_instructor (
    site_id   BLOB    NOT NULL,
    course_id BLOB    NOT NULL,
    version   INTEGER NOT NULL,
    user_id   TEXT    NOT NULL,
    PRIMARY KEY (course_id, version, user_id),
    FOREIGN KEY (site_id, course_id) REFERENCES course (site_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX course_instructor_user ON course_instructor (site_id, user_id);

INSERT INTO course_instructor (site_id, course_id, version, user_id)
SELECT DISTINCT v.site_id, v.course_id, v.version, json_extract(i.value, '$.user_id')
FROM course_version v, json_each(v.definition, '$.course.source.instructors') i
WHERE json_extract(i.value, '$.user_id') IS NOT NULL;
