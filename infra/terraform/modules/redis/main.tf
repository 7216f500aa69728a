resource "aws_elasticache_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_security_group" "this" {
  name        = "${var.name}-redis"
  description = "Redis of Tidewheel"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = var.client_security_group_ids

  security_group_id            = aws_security_group.this.id
  description                  = "Redis from ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
}

# A stream that evicts or trims by itself loses hints without a trace: the dispatcher keeps it short instead.
resource "aws_elasticache_parameter_group" "this" {
  name        = var.name
  family      = "valkey8"
  description = "Never evict"

  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

# Everybody who connects without a name is this user, and it may do nothing.
resource "aws_elasticache_user" "default" {
  user_id       = "${var.name}-default"
  user_name     = "default"
  engine        = "valkey"
  access_string = "off -@all"

  authentication_mode {
    type = "no-password-required"
  }
}

resource "aws_elasticache_user" "this" {
  for_each = nonsensitive(toset(keys(var.users)))

  user_id       = "${var.name}-${each.key}"
  user_name     = each.key
  engine        = "valkey"
  access_string = "on ${var.users[each.key].access}"

  authentication_mode {
    type      = "password"
    passwords = [var.users[each.key].password]
  }
}

resource "aws_elasticache_user_group" "this" {
  user_group_id = var.name
  engine        = "valkey"
  user_ids = concat(
    [aws_elasticache_user.default.user_id],
    [for user in aws_elasticache_user.this : user.user_id],
  )
}

resource "aws_elasticache_replication_group" "this" {
  replication_group_id = var.name
  description          = "Hints of Tidewheel: all of it can be made again from PostgreSQL"
  engine               = "valkey"
  engine_version       = "8.0"
  node_type            = var.node_type
  port                 = 6379

  num_cache_clusters         = 1 + var.replicas
  automatic_failover_enabled = var.replicas > 0
  multi_az_enabled           = var.replicas > 0

  at_rest_encryption_enabled = var.encrypted
  kms_key_id                 = var.encrypted ? var.kms_key_arn : null
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  user_group_ids             = [aws_elasticache_user_group.this.user_group_id]

  subnet_group_name          = aws_elasticache_subnet_group.this.name
  security_group_ids         = [aws_security_group.this.id]
  parameter_group_name       = aws_elasticache_parameter_group.this.name
  auto_minor_version_upgrade = true
  maintenance_window         = "sun:04:30-sun:05:30"
}
