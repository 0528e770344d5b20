-- Who was told that an incident goes on, as JSON, as alerts have it: whoever it is, by whatever route, is told that it is over, also when it
-- has another level by then. Empty: nobody has heard of it since this build writes it down, and the route of its level is told.
ALTER TABLE incidents ADD COLUMN heard_by text NOT NULL DEFAULT '[]';
