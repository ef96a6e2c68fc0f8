-- Up to when an enrollment's reported time is accounted for: devices can't report more than has passed. NULL before the
-- first report since this migration: it counts from the enrollment's beginning then, a day at most.

ALTER TABLE enrollment ADD COLUMN accounted_until INTEGER;
ALTER TABLE course_enrollment ADD COLUMN accounted_until INTEGER;
