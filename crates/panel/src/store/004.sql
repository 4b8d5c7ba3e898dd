ALTER TABLE key_pairs ADD COLUMN folded TEXT NOT NULL DEFAULT '';
ALTER TABLE key_pairs ADD COLUMN fingerprint TEXT NOT NULL DEFAULT '';
ALTER TABLE key_pairs ADD COLUMN found TEXT NOT NULL DEFAULT '';
CREATE INDEX key_pairs_by_name ON key_pairs (user_id, folded, region);
CREATE INDEX key_pairs_by_use ON key_pairs (user_id, last_used_at);
CREATE INDEX key_pairs_by_fingerprint ON key_pairs (user_id, fingerprint, region)
