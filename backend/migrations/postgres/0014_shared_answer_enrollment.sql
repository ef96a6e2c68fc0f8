-- In which enrollment a shared right answer was given: that enrollment does not get it back from itself, its attempts
-- would add up. NULL: in several, or it is not known.

ALTER TABLE shared_answer ADD COLUMN enrollment_id UUID;

UPDATE shared_answer SET enrollment_id = (
    SELECT CASE WHEN count(DISTINCT e.id) = 1 THEN (array_agg(e.id))[1] END
    FROM course_enrollment e
    JOIN quiz_attempt a ON a.enrollment_id = e.id
    CROSS JOIN LATERAL jsonb_array_elements(a.record::jsonb -> 'm') AS m (value)
    WHERE e.site_id = shared_answer.site_id AND e.user_id = shared_answer.user_id
      AND (m.value ->> 'q')::uuid = shared_answer.question_id
      AND m.value -> 'm' ->> 'scored' = '100'
);
