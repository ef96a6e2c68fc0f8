-- A course's enrollments in their order: for recalculation and statistics, which go through them in pages.

CREATE INDEX course_enrollment_course ON course_enrollment (site_id, course_id, id);
