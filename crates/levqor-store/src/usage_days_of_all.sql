-- The days from $1 to $2 on which any account, or an anonymous caller, did anything.
WITH used AS (
    SELECT day, sum(runs) AS runs, sum(ai_credits) AS ai_credits
    FROM usage_days WHERE day >= $1 AND day <= $2 GROUP BY day
),
days AS (
    SELECT day FROM used
    UNION
    -- The account '' holds the number of workflows of all accounts.
    SELECT day FROM workflow_days WHERE account_id = '' AND day >= $1 AND day <= $2
)
SELECT
    days.day,
    CAST(coalesce(used.runs, 0) AS bigint),
    CAST(coalesce(used.ai_credits, 0) AS bigint),
    coalesce((
        SELECT workflow_days.workflows FROM workflow_days
        WHERE workflow_days.account_id = '' AND workflow_days.day <= days.day
        ORDER BY workflow_days.day DESC LIMIT 1
    ), 0)
FROM days
LEFT JOIN used ON used.day = days.day
ORDER BY days.day
LIMIT 4000
