variable "region" {
  description = "The region."
  type        = string
  default     = "eu-central-1"
}

variable "account_id" {
  description = "The account; a plan with credentials of another one fails."
  type        = string
}

variable "repository" {
  description = "The GitHub repository, as owner/name."
  type        = string
}

variable "domain" {
  description = "The names that users call, and the Route 53 zone that they are in."
  type        = object({ name = string, other_names = optional(set(string), []), zone_id = string })
}

variable "administrator_arn" {
  description = "The role of the people who run the cluster."
  type        = string
}

variable "public_cidrs" {
  description = "Who may reach the cluster's API from outside the network."
  type        = list(string)
  default     = []
}

variable "state" {
  description = "ARNs of the bucket and of the key of the state, as printed by infra/terraform/state."
  type        = object({ bucket_arn = string, key_arn = string })
}

variable "apps" {
  description = "Programs of yours that run beside Tidewheel; backend is the example of this repository."
  type        = set(string)
  default     = ["backend"]
}

variable "encrypt_at_rest" {
  description = "Encrypt what is stored with keys of ours. docs/operations/encryption.md before you change it."
  type        = bool
  default     = true
}
