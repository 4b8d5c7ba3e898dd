CREATE TABLE server_extras (
  server_id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL,
  content TEXT NOT NULL
);
CREATE INDEX server_extras_by_project ON server_extras (project_id)
