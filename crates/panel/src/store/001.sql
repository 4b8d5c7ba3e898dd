CREATE TABLE users (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  folded TEXT NOT NULL UNIQUE,
  email TEXT NOT NULL,
  password TEXT NOT NULL,
  enabled BIGINT NOT NULL,
  default_project TEXT NOT NULL,
  totp_secret TEXT NOT NULL,
  totp_step BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  password_at BIGINT NOT NULL
);
CREATE TABLE projects (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  folded TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  enabled BIGINT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE TABLE roles (
  user_id TEXT NOT NULL,
  project_id TEXT NOT NULL,
  role BIGINT NOT NULL,
  PRIMARY KEY (user_id, project_id)
);
CREATE TABLE tokens (
  hash TEXT PRIMARY KEY,
  user_id TEXT NOT NULL,
  project_id TEXT NOT NULL,
  credential_id TEXT NOT NULL,
  method TEXT NOT NULL,
  audit_id TEXT NOT NULL,
  role_cap BIGINT NOT NULL,
  issued_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX tokens_by_user ON tokens (user_id);
CREATE INDEX tokens_by_expiry ON tokens (expires_at);
CREATE TABLE credentials (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL,
  project_id TEXT NOT NULL,
  name TEXT NOT NULL,
  secret TEXT NOT NULL,
  role BIGINT NOT NULL,
  unrestricted BIGINT NOT NULL,
  description TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  UNIQUE (user_id, name)
);
CREATE TABLE sessions (
  hash TEXT PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  user_id TEXT NOT NULL,
  project_id TEXT NOT NULL,
  csrf TEXT NOT NULL,
  address TEXT NOT NULL,
  agent TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE TABLE pace (
  name TEXT PRIMARY KEY,
  failures BIGINT NOT NULL,
  last_at BIGINT NOT NULL
);
CREATE TABLE tickets (
  hash TEXT PRIMARY KEY,
  user_id TEXT NOT NULL,
  project_id TEXT NOT NULL,
  region TEXT NOT NULL,
  server_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE TABLE audit (
  id BIGINT PRIMARY KEY,
  at BIGINT NOT NULL,
  user_id TEXT NOT NULL,
  user_name TEXT NOT NULL,
  project_id TEXT NOT NULL,
  action TEXT NOT NULL,
  target TEXT NOT NULL,
  detail TEXT NOT NULL,
  address TEXT NOT NULL,
  request_id TEXT NOT NULL,
  found TEXT NOT NULL
);
CREATE INDEX audit_by_project ON audit (project_id, id);
CREATE TABLE key_pairs (
  id BIGINT PRIMARY KEY,
  region TEXT NOT NULL,
  user_id TEXT NOT NULL,
  name TEXT NOT NULL,
  content TEXT NOT NULL,
  last_used_at BIGINT NOT NULL,
  UNIQUE (region, user_id, name)
);
CREATE TABLE images (
  id TEXT PRIMARY KEY,
  created_at BIGINT NOT NULL,
  content TEXT NOT NULL
);
CREATE TABLE servers (
  id TEXT PRIMARY KEY,
  region TEXT NOT NULL,
  project_id TEXT NOT NULL,
  slot BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  found TEXT NOT NULL,
  content TEXT NOT NULL,
  wanted_running BIGINT NOT NULL,
  generation BIGINT NOT NULL,
  public_keys TEXT NOT NULL,
  user_data TEXT NOT NULL,
  UNIQUE (region, slot)
);
CREATE INDEX servers_by_project ON servers (region, project_id, created_at);
CREATE TABLE server_projects (
  server_id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL
);
CREATE TABLE actions (
  server_id TEXT NOT NULL,
  request_id TEXT NOT NULL,
  number BIGINT NOT NULL,
  started_at BIGINT NOT NULL,
  content TEXT NOT NULL,
  PRIMARY KEY (server_id, request_id)
);
CREATE TABLE host_keys (
  id BIGINT PRIMARY KEY,
  server_id TEXT NOT NULL,
  address TEXT NOT NULL,
  port BIGINT NOT NULL,
  public_key TEXT NOT NULL,
  first_seen_at BIGINT NOT NULL,
  retired_at BIGINT NOT NULL,
  content TEXT NOT NULL
);
CREATE INDEX host_keys_by_server ON host_keys (server_id);
CREATE INDEX host_keys_by_address ON host_keys (address, port);
