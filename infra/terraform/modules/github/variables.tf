variable "name" {
  description = "Prefix of the roles: NAME-github-plan, -apply, -push, -deploy and -cluster."
  type        = string
}

variable "repository" {
  description = "The repository as it stands in the token's subject, such as octo/tidewheel. For repositories made since mid-2026 GitHub adds ids: read the value under Settings, Actions, OIDC."
  type        = string

  validation {
    condition     = can(regex("^[^/*]+/[^/*]+$", var.repository))
    error_message = "Give one repository as owner/name, without a star."
  }
}

variable "environment" {
  description = "The GitHub environment whose reviewers stand before apply and deploy; NAME-cluster is the one before the add-ons."
  type        = string
}

variable "account_id" {
  description = "The account of the roles."
  type        = string
}

variable "state_bucket_arn" {
  description = "The bucket of the Terraform state."
  type        = string
}

variable "state_key_arn" {
  description = "The key that encrypts the Terraform state."
  type        = string
}

variable "repository_arns" {
  description = "The image repositories that images are pushed to."
  type        = list(string)
}

variable "cluster_arn" {
  description = "The cluster that deploy asks for its address."
  type        = string
}

variable "plan_reads" {
  description = "The secrets that a plan must read to compare, and their key; null: none."
  type        = object({ secret_arns = list(string), key_arn = string })
  default     = null
}
