locals {
  # The same rights as in the chart of Redis: only the executor, whose Celery keeps keys of its own, sees more.
  wakes = "resetchannels &tidewheel:wake:* -@all +@connection +@pubsub +info"

  redis_access = {
    gateway    = "~tidewheel:{* ~tidewheel:queues ~tidewheel:open ~tidewheel:bundle-sizes ${local.wakes} +time +get +hgetall +sadd +xinfo +xadd +evalsha +script|load"
    scheduler  = local.wakes
    reaper     = local.wakes
    dispatcher = "~tidewheel:* resetchannels &tidewheel:wake:* +@all -@admin -@dangerous +info"
    executor   = "~* &* +@all -@admin -@dangerous +info"
  }

  passwords = var.elasticache == null ? {} : jsondecode(data.aws_secretsmanager_secret_version.redis_users[0].secret_string)
}

data "aws_secretsmanager_secret_version" "redis_users" {
  count = var.elasticache == null ? 0 : 1

  secret_id = module.secrets.arns["redis-users"]
}

module "redis" {
  source = "../redis"
  count  = var.elasticache == null ? 0 : 1

  name                      = var.name
  vpc_id                    = module.vpc.id
  subnet_ids                = module.vpc.private_subnet_ids
  client_security_group_ids = { nodes = module.eks.node_security_group_id }
  kms_key_arn               = module.kms.arns["data"]
  node_type                 = var.elasticache.node_type
  replicas                  = var.elasticache.replicas
  encrypted                 = var.encrypt_at_rest
  users                     = { for user, access in local.redis_access : user => { password = local.passwords[user], access = access } }
}
