-- Who is in a cohort by token and by API stays in it when one of the two takes them out.

ALTER TABLE cohort_member DROP CONSTRAINT cohort_member_pkey;
ALTER TABLE cohort_member ADD PRIMARY KEY (site_id, cohort, role, user_id, source);
