-- Who was told that an alert fires, as JSON: the targets of messages, each destination by its name. Whoever it is, by whatever route, is
-- told that it is over, also when it has another severity by then. Empty with `heard`: a build before this one told them.
ALTER TABLE alerts ADD COLUMN heard_by text NOT NULL DEFAULT '[]';
