-- Events that were let go before a listener had read them, since it was too far behind: more than are kept for one.

ALTER TABLE listeners ADD COLUMN lost bigint NOT NULL DEFAULT 0;
