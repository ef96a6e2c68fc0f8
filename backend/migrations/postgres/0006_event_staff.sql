-- What a member did for the site: found again when they are erased, to take their name out of it.
CREATE INDEX event_staff ON event (site_id, user_id) WHERE substr(type, 1, 5) = 'site.';
