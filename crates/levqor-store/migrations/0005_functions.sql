-- Functions of catalogs that a version calls, as they were fetched when it was saved: JSON, by the addresses of their files.

ALTER TABLE workflow_versions ADD COLUMN functions text;
