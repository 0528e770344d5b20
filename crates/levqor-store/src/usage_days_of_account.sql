-- The days of account $1 from $2 to $3 with anything in them.
WITH days AS (
    SELECT day FROM usage_days WHERE account_id = $1 AND day >= $2 AND day <= $3
    UNION
    SELECT day FROM workflow_days WHERE account_id = $1 AND day >= $2 AND day <= $3
)
SELECT
    days.day,
    coalesce(usage_days.runs, 0),
    coalesce(usage_days.ai_credits, 0),
    -- As it stood at the end of that day: the last change up to it.
    coalesce((
        SELECT workflow_days.workflows FROM workflow_days
        WHERE workflow_days.account_id = $1 AND workflow_days.day <= days.day
        ORDER BY workflow_days.day DESC LIMIT 1
    ), 0)
FROM days
LEFT JOIN usage_days ON usage_days.account_id = $1 AND usage_days.day = days.day
ORDER BY days.day
LIMIT 4000
