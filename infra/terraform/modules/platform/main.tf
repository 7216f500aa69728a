locals {
  namespace = "tidewheel"
  own       = ["gateway", "scheduler", "dispatcher", "executor", "reaper"]
  services  = concat(local.own, ["console"], sort(var.apps))

  secrets = merge(
    { for service in local.services : service => "What ${service} reads at its start: addresses with passwords, and keys." if service != "console" },
    { migrate = "The address of the database, as the owner of its schema." },
    { redis-users = "A password for each user of Redis." },
    { canary = "Where the canary sends its task, and its API key." },
    { grafana = "The administrator of Grafana: admin-user and admin-password." },
    { alerts = "Where alerts go: the URLs page-url and ticket-url." },
  )
}

module "kms" {
  source = "../kms"

  name       = var.name
  account_id = var.account_id
  keep       = var.keep

  purposes = {
    data    = {}
    cluster = {}
    logs    = { log_services = ["logs.${var.region}.amazonaws.com"] }
    volumes = { via = ["ec2.${var.region}.amazonaws.com"] }
  }
}

module "vpc" {
  source = "../vpc"

  name         = var.name
  region       = var.region
  cidr         = var.network.cidr
  zones        = var.network.zones
  one_nat      = var.network.one_nat
  endpoints    = var.network.endpoints
  logs_key_arn = module.kms.arns["logs"]
}

module "s3" {
  source = "../s3"

  name        = var.name
  account_id  = var.account_id
  kms_key_arn = module.kms.arns["data"]
  keep        = var.keep
  encrypted   = var.encrypt_at_rest

  buckets = {
    archive = { cold_after_days = 30 }
    backups = { delete_after_days = 35 }
    traces  = { delete_after_days = 14 }
  }
}

module "ecr" {
  source = "../ecr"

  name        = var.name
  services    = concat(local.services, ["cli"]) # the canary's
  kms_key_arn = module.kms.arns["data"]
  keep        = var.keep
}

module "acm" {
  source = "../acm"

  domain      = var.domain.name
  other_names = var.domain.other_names
  zone_id     = var.domain.zone_id
}

module "secrets" {
  source = "../secrets"

  name        = var.name
  secrets     = local.secrets
  kms_key_arn = module.kms.arns["data"]
  keep        = var.keep
}

module "eks" {
  source = "../eks"

  name            = var.name
  kubernetes      = var.cluster.kubernetes
  subnet_ids      = module.vpc.private_subnet_ids
  secrets_key_arn = module.kms.arns["cluster"]
  volumes_key_arn = module.kms.arns["volumes"]
  logs_key_arn    = module.kms.arns["logs"]
  public_cidrs    = var.cluster.public_cidrs
  node_groups     = var.cluster.node_groups
  associations    = module.iam.associations
  encrypted       = var.encrypt_at_rest

  access = {
    people  = { principal_arn = var.cluster.administrator_arn, policy = "AmazonEKSClusterAdminPolicy" }
    cluster = { principal_arn = module.github.role_arns["cluster"], policy = "AmazonEKSClusterAdminPolicy" }
    deploy = {
      principal_arn = module.github.role_arns["deploy"]
      policy        = "AmazonEKSAdminPolicy"
      namespaces    = [local.namespace]
      groups        = ["tidewheel-deploy"]
    }
  }
}

module "rds" {
  source = "../rds"

  name                      = var.name
  vpc_id                    = module.vpc.id
  subnet_ids                = module.vpc.private_subnet_ids
  client_security_group_ids = { nodes = module.eks.node_security_group_id }
  kms_key_arn               = module.kms.arns["data"]
  postgres                  = var.database.postgres
  instance_class            = var.database.instance_class
  storage                   = var.database.storage
  multi_az                  = var.database.multi_az
  backup_days               = var.database.backup_days
  keep                      = var.keep
  encrypted                 = var.encrypt_at_rest
}
