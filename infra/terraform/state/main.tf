terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }
}

variable "name" {
  description = "Prefix of the bucket and of the key."
  type        = string
  default     = "tidewheel"
}

variable "region" {
  description = "The region of the state."
  type        = string
}

variable "account_id" {
  description = "The account."
  type        = string
}

variable "keep" {
  description = "Refuse any plan that would destroy the state of everything else."
  type        = bool
  default     = true
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]
}

module "kms" {
  source = "../modules/kms"

  name       = var.name
  account_id = var.account_id
  purposes   = { state = {} }
  keep       = var.keep
}

module "s3" {
  source = "../modules/s3"

  name        = var.name
  account_id  = var.account_id
  kms_key_arn = module.kms.arns["state"]
  buckets     = { state = {} }
  keep        = var.keep
}

output "state" {
  description = "For the environments' backend and for their variable of the same name."
  value = {
    bucket     = module.s3.names["state"]
    bucket_arn = module.s3.arns["state"]
    key_arn    = module.kms.arns["state"]
  }
}
