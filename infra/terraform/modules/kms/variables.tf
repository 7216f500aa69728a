variable "name" {
  description = "Prefix of the aliases: alias/NAME-PURPOSE."
  type        = string
}

variable "account_id" {
  description = "The account whose IAM policies decide who may use the keys."
  type        = string
}

variable "purposes" {
  description = "The keys: purpose => log_services, the principals of CloudWatch Logs that write with the key, and via, the services through which everybody in the account may use it."
  type = map(object({
    log_services = optional(list(string), [])
    via          = optional(list(string), [])
  }))
}

variable "keep" {
  description = "Refuse any plan that would destroy or replace a key. Without its key, data is gone for good."
  type        = bool
  default     = true
}
