-- Calls of AI functions from workflows are metered once, however often a crash makes them again.

ALTER TABLE ai_requests ADD COLUMN call_key text;
CREATE UNIQUE INDEX ai_requests_call ON ai_requests (call_key) WHERE call_key IS NOT NULL;
