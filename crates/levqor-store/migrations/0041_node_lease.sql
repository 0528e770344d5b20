-- How long the lease of a node is, in microseconds: it was heard of last so long before it ends. Null: a build before this one wrote it.
ALTER TABLE nodes ADD COLUMN lease_us bigint;
