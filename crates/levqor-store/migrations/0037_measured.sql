-- When a postmortem was measured last: one that was measured before the end of its incident, or so soon after it that nodes had not
-- written yet what they had counted, is measured again, by whichever node looks. 0: not known, from before this was noted.
ALTER TABLE postmortems ADD COLUMN measured_at bigint NOT NULL DEFAULT 0;
