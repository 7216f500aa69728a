variable "name" {
  description = "Prefix of the roles: NAME-SERVICE."
  type        = string
}

variable "account_id" {
  description = "The only account whose pods may take the roles."
  type        = string
}

variable "cluster_arn" {
  description = "The only cluster whose pods may take the roles."
  type        = string
}

variable "namespace" {
  description = "The Kubernetes namespace of service accounts that name none."
  type        = string
}

variable "kms_key_arn" {
  description = "The key that the secrets and the buckets are encrypted with."
  type        = string
}

variable "services" {
  description = "Service => its service account when that is called otherwise, its namespace when it is another one, the secrets that it reads, the buckets that it writes to and those in which it also reads and deletes, as ARNs."
  type = map(object({
    service_account = optional(string)
    namespace       = optional(string)
    reads_secrets   = optional(list(string), [])
    writes_buckets  = optional(list(string), [])
    owns_buckets    = optional(list(string), [])
  }))
}
