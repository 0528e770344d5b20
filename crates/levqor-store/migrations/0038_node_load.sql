-- What a node tells of its own work, so that whoever looks for alerts knows it of all nodes and not only of itself. Of one that is of a
-- version before this nothing is told.
ALTER TABLE node_states ADD COLUMN jobs bigint;
ALTER TABLE node_states ADD COLUMN jobs_alive bigint;
ALTER TABLE node_states ADD COLUMN writes_waiting bigint;
ALTER TABLE node_states ADD COLUMN writes_capacity bigint;
