-- The gateway's statements about tenants' notification rules. `:now` is null in production.

-- name: rules_live :many
-- Read what every rule that is not disabled covers.
SELECT tenant_id, events, handler, queue, tag, late_after FROM notification_rules WHERE disabled_at IS NULL;

-- name: rule_insert :one
-- Keep a new rule, unless its name is taken.
INSERT INTO notification_rules (id, tenant_id, name, events, handler, queue, tag, target, late_after, created_at, updated_at)
SELECT :id, :tenant_id, :name, CAST(:events AS text[]), :handler, :queue, :tag, :target, :late_after, clock.now, clock.now
FROM (SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now) AS clock
ON CONFLICT (tenant_id, name) DO NOTHING
RETURNING id, tenant_id, name, events, handler, queue, tag, target, late_after, disabled_at, disabled_reason, created_at, updated_at;

-- name: rule_find :one
-- Read a rule of a tenant.
SELECT id, tenant_id, name, events, handler, queue, tag, target, late_after, disabled_at, disabled_reason, created_at, updated_at
FROM notification_rules
WHERE id = :id AND tenant_id = :tenant_id;

-- name: rules_list :many
-- Read a tenant's rules, by name.
SELECT id, tenant_id, name, events, handler, queue, tag, target, late_after, disabled_at, disabled_reason, created_at, updated_at
FROM notification_rules
WHERE tenant_id = :tenant_id
ORDER BY name;

-- name: rule_replace :one
-- Write a rule anew, which enables it again, unless its new name is taken.
UPDATE notification_rules
SET name = :name, events = CAST(:events AS text[]), handler = :handler, queue = :queue, tag = :tag, target = :target,
    late_after = :late_after, disabled_at = NULL, disabled_reason = NULL,
    updated_at = coalesce(CAST(:now AS timestamptz), clock_timestamp())
WHERE id = :id AND tenant_id = :tenant_id
RETURNING id, tenant_id, name, events, handler, queue, tag, target, late_after, disabled_at, disabled_reason, created_at, updated_at;

-- name: rule_delete :one
-- Delete a rule.
DELETE FROM notification_rules WHERE id = :id AND tenant_id = :tenant_id RETURNING id;
