ALTER TABLE servers ADD COLUMN folded TEXT NOT NULL DEFAULT '';
ALTER TABLE servers ADD COLUMN state_rank BIGINT NOT NULL DEFAULT 0;
ALTER TABLE servers ADD COLUMN address_rank TEXT NOT NULL DEFAULT '';
CREATE INDEX servers_by_name ON servers (project_id, folded);
CREATE INDEX servers_by_creation ON servers (project_id, created_at)
