variable "name" {
  description = "Prefix of the secrets: NAME/SECRET."
  type        = string
}

variable "secrets" {
  description = "The secrets: name => what it holds. Their values are put in by people or rotation, never by Terraform, so that none is in the state."
  type        = map(string)
}

variable "kms_key_arn" {
  description = "The key that encrypts the secrets."
  type        = string
}

variable "keep" {
  description = "Refuse any plan that would destroy or replace a secret. False also deletes without a time to recover."
  type        = bool
  default     = true
}
