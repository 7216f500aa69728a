locals {
  cluster_arn = "arn:aws:eks:${var.region}:${var.account_id}:cluster/${var.name}"

  # The services themselves call nothing in AWS: External Secrets reads their secrets for them.
  identities = merge(
    {
      for service in local.services : service => {
        service_account = "tidewheel-${service}"
        namespace       = local.namespace
        reads_secrets   = try(var.grants[service].reads_secrets, [])
        writes_buckets  = try(var.grants[service].writes_buckets, [])
        owns_buckets    = []
      }
    },
    {
      external-secrets = {
        service_account = "external-secrets"
        namespace       = "external-secrets"
        reads_secrets   = values(module.secrets.arns)
        writes_buckets  = []
        owns_buckets    = []
      }
      tempo = {
        service_account = "tempo"
        namespace       = "monitoring"
        reads_secrets   = []
        writes_buckets  = []
        owns_buckets    = [module.s3.arns["traces"]]
      }
    },
  )
}

module "iam" {
  source = "../iam"

  name        = var.name
  account_id  = var.account_id
  cluster_arn = local.cluster_arn
  namespace   = local.namespace
  kms_key_arn = module.kms.arns["data"]
  services    = local.identities
}

module "github" {
  source = "../github"

  name             = var.name
  repository       = var.repository
  environment      = var.environment
  account_id       = var.account_id
  state_bucket_arn = var.state.bucket_arn
  state_key_arn    = var.state.key_arn
  repository_arns  = values(module.ecr.arns)
  cluster_arn      = local.cluster_arn

  plan_reads = var.elasticache == null ? null : {
    secret_arns = [module.secrets.arns["redis-users"]]
    key_arn     = module.kms.arns["data"]
  }
}
