CREATE TABLE secrets (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
)
