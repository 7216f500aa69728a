mock_provider "aws" {}

variables {
  name                      = "tidewheel-test"
  vpc_id                    = "vpc-1"
  subnet_ids                = ["subnet-1", "subnet-2"]
  client_security_group_ids = { nodes = "sg-1" }
  kms_key_arn               = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000000"
  users = {
    dispatcher = { password = "0123456789abcdef-dispatcher", access = "~tidewheel:* &tidewheel:* +@all -@dangerous" }
  }
}

run "speaks_tls_only_and_stores_encrypted" {
  command = plan

  assert {
    condition     = aws_elasticache_replication_group.this.transit_encryption_mode == "required" && aws_elasticache_replication_group.this.kms_key_id == var.kms_key_arn
    error_message = "Redis answers without TLS or stores without our key."
  }
}

run "never_evicts_a_hint" {
  command = plan

  assert {
    condition     = contains([for one in aws_elasticache_parameter_group.this.parameter : "${one.name}=${one.value}"], "maxmemory-policy=noeviction")
    error_message = "Redis would throw hints away when it is full."
  }
}

run "a_nameless_client_may_do_nothing" {
  command = plan

  assert {
    condition     = aws_elasticache_user.default.access_string == "off -@all" && aws_elasticache_user.default.user_name == "default"
    error_message = "Who gives no name is let in."
  }
  assert {
    condition     = aws_elasticache_user.this["dispatcher"].access_string == "on ~tidewheel:* &tidewheel:* +@all -@dangerous"
    error_message = "A service may do something else than it was granted."
  }
}

run "fails_over_only_with_a_replica" {
  command = plan

  variables {
    replicas = 0
  }

  assert {
    condition     = !aws_elasticache_replication_group.this.automatic_failover_enabled && aws_elasticache_replication_group.this.num_cache_clusters == 1
    error_message = "AWS refuses failover without a replica."
  }
}

run "encryption_can_wait_but_tls_cannot" {
  command = plan

  variables {
    encrypted = false
  }

  assert {
    condition     = !tobool(aws_elasticache_replication_group.this.at_rest_encryption_enabled) && aws_elasticache_replication_group.this.transit_encryption_mode == "required"
    error_message = "What is stored is encrypted although that was to come later, or what travels is not."
  }
}
