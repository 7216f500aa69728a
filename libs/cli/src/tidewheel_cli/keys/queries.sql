-- name: tenant_find :one
-- Read a tenant by its name.
SELECT id FROM tenants WHERE name = :name;

-- name: tenant_insert :exec
-- Make a tenant unless there is one of this name.
INSERT INTO tenants (id, name) VALUES (:id, :name) ON CONFLICT (name) DO NOTHING;

-- name: api_key_insert :exec
-- Keep a new API key.
INSERT INTO api_keys (id, tenant_id, name, secret_hash) VALUES (:id, :tenant_id, :name, :secret_hash);

-- name: api_keys_list :many
-- Read every API key with its tenant, the oldest first; never its secret.
SELECT k.id, t.name AS tenant, k.name, k.created_at, k.revoked_at
FROM api_keys AS k JOIN tenants AS t ON t.id = k.tenant_id
ORDER BY k.created_at, k.id;

-- name: api_key_revoke :one
-- Revoke an API key, and return since when it is revoked.
UPDATE api_keys SET revoked_at = coalesce(revoked_at, clock_timestamp()) WHERE id = :id RETURNING revoked_at;
