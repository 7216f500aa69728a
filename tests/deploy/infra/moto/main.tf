terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }

  backend "s3" {
    key          = "moto/terraform.tfstate"
    bucket       = "tidewheel-moto-state"
    region       = "eu-central-1"
    use_lockfile = true

    use_path_style              = true
    skip_credentials_validation = true
    skip_metadata_api_check     = true
    skip_requesting_account_id  = true
  }
}

variable "keep" {
  type    = bool
  default = false
}

variable "encrypted" {
  type    = bool
  default = true
}

variable "name" {
  type    = string
  default = "tidewheel-moto"
}

provider "aws" {
  region                      = "eu-central-1"
  max_retries                 = 1
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
}

locals {
  account = "123456789012"
  region  = "eu-central-1"
}

resource "aws_route53_zone" "this" {
  name = "example.com"
}

module "kms" {
  source = "../../../../infra/terraform/modules/kms"

  name       = "tidewheel-moto"
  account_id = local.account
  keep       = false

  purposes = {
    data    = {}
    logs    = { log_services = ["logs.${local.region}.amazonaws.com"] }
    volumes = { via = ["ec2.${local.region}.amazonaws.com"] }
  }
}

module "vpc" {
  source = "../../../../infra/terraform/modules/vpc"

  name         = "tidewheel-moto"
  region       = local.region
  zones        = ["${local.region}a", "${local.region}b"]
  logs_key_arn = module.kms.arns["logs"]
}

module "s3" {
  source = "../../../../infra/terraform/modules/s3"

  name        = var.name
  account_id  = local.account
  kms_key_arn = module.kms.arns["data"]
  buckets     = { archive = { cold_after_days = 30 }, backups = { delete_after_days = 35 } }
  keep        = var.keep
  encrypted   = var.encrypted
}

module "ecr" {
  source = "../../../../infra/terraform/modules/ecr"

  name        = "tidewheel-moto"
  services    = ["gateway", "reaper"]
  kms_key_arn = module.kms.arns["data"]
  keep        = false
}

module "acm" {
  source = "../../../../infra/terraform/modules/acm"

  domain      = "tasks.example.com"
  other_names = ["console.example.com"]
  zone_id     = aws_route53_zone.this.zone_id
}

module "secrets" {
  source = "../../../../infra/terraform/modules/secrets"

  name        = "tidewheel-moto"
  secrets     = { gateway = "What the gateway reads.", redis-users = "Passwords." }
  kms_key_arn = module.kms.arns["data"]
  keep        = false
}

module "iam" {
  source = "../../../../infra/terraform/modules/iam"

  name        = "tidewheel-moto"
  account_id  = local.account
  cluster_arn = "arn:aws:eks:${local.region}:${local.account}:cluster/tidewheel-moto"
  namespace   = "tidewheel"
  kms_key_arn = module.kms.arns["data"]

  services = {
    gateway          = {}
    executor         = { writes_buckets = [module.s3.arns["archive"]] }
    tempo            = { namespace = "monitoring", owns_buckets = [module.s3.arns["archive"]] }
    external-secrets = { namespace = "external-secrets", reads_secrets = values(module.secrets.arns) }
  }
}

module "github" {
  source = "../../../../infra/terraform/modules/github"

  name             = "tidewheel-moto"
  repository       = "octo/tidewheel"
  environment      = "moto"
  account_id       = local.account
  state_bucket_arn = "arn:aws:s3:::tidewheel-state-${local.account}"
  state_key_arn    = module.kms.arns["data"]
  repository_arns  = values(module.ecr.arns)
  cluster_arn      = "arn:aws:eks:${local.region}:${local.account}:cluster/tidewheel-moto"
}
