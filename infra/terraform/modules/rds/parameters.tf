locals {
  # Every accepted task is a row that is updated a few times and then deleted: vacuum has to keep up, and what is
  # measured in shares of a table of millions comes too late.
  settings = {
    "rds.force_ssl"                       = "1"
    "autovacuum_naptime"                  = "15"
    "autovacuum_vacuum_scale_factor"      = "0.02"
    "autovacuum_analyze_scale_factor"     = "0.02"
    "autovacuum_vacuum_cost_limit"        = "2000"
    "checkpoint_timeout"                  = "900"
    "max_wal_size"                        = "8192"
    "idle_in_transaction_session_timeout" = "60000"
    "log_lock_waits"                      = "1"
    "log_min_duration_statement"          = "1000"
    "random_page_cost"                    = "1.1"
  }
}

resource "aws_db_parameter_group" "this" {
  name_prefix = "${var.name}-"
  family      = "postgres${var.postgres}"
  description = "A queue in PostgreSQL: short rows, many updates, TLS only"

  dynamic "parameter" {
    for_each = local.settings
    content {
      name  = parameter.key
      value = parameter.value
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}
