variable "name" {
  description = "Prefix of the bucket names; together with the account it makes them unique."
  type        = string
}

variable "account_id" {
  description = "The account, as the last part of the bucket names."
  type        = string
}

variable "kms_key_arn" {
  description = "The key that encrypts every object."
  type        = string
}

variable "buckets" {
  description = "The buckets: purpose => days after which an object moves to Glacier Instant Retrieval and after which it is deleted; null: never."
  type = map(object({
    cold_after_days   = optional(number)
    delete_after_days = optional(number)
  }))
}

variable "keep" {
  description = "Refuse any plan that would destroy or replace a bucket. False also lets a destroy delete what is in it."
  type        = bool
  default     = true
}

variable "encrypted" {
  description = "Encrypt with our key; without, S3 encrypts with one of its own. False is for an installation that is to be encrypted later; docs/operations/encryption.md says how."
  type        = bool
  default     = true
}
