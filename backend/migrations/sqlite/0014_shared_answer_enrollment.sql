-- In which enrollment a shared right answer was given: that enrollment does not get it back from itself, its attempts
-- would add up. NULL: in several, or it is not known.

ALTER TABLE shared_answer ADD COLUMN enrollment_id BLOB CHECK (length(enrollment_id) = 16);

UPDATE shared_answer SET enrollment_id = (
    SELECT CASE WHEN count(DISTINCT e.id) = 1 THEN min(e.id) END
    FROM course_enrollment e
    JOIN quiz_attempt a ON a.enrollment_id = e.id
    JOIN json_each(a.record, '$.m') m
    WHERE e.site_id = shared_answer.site_id AND e.user_id = shared_answer.user_id
      AND upper(replace(json_extract(m.value, '$.q'), '-', '')) = hex(shared_answer.question_id)
      AND json_extract(m.value, '$.m.scored') = 100
);
