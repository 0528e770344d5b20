-- Whether somebody was told that an alert fires, at whatever severity. `told` is only whether they know it as bad as it is: it goes
-- when the alert gets worse in a silence, and they are still told that it is over.
ALTER TABLE alerts ADD COLUMN heard boolean NOT NULL DEFAULT false;
UPDATE alerts SET heard = told;
