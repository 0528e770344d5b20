-- What operators are told goes before what subscribers are, and only it is a reason to call somebody when it does not arrive: both are
-- found without a walk over everything that subscribers are told in a disturbance.
CREATE INDEX notifications_due_calls ON notifications (next_at, id)
    WHERE next_at IS NOT NULL AND substr(target, 1, 6) = 'route:';
CREATE INDEX notifications_calls ON notifications (state, created_at, id)
    WHERE severity <> 'minor' AND substr(target, 1, 6) = 'route:';
