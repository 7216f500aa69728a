variable "name" {
  description = "Name of the installation, such as tidewheel-prod: the cluster, the database and all roles carry it."
  type        = string
}

variable "region" {
  description = "The region, such as eu-central-1."
  type        = string
}

variable "account_id" {
  description = "The account."
  type        = string
}

variable "environment" {
  description = "The GitHub environment whose workflows change this installation."
  type        = string
}

variable "repository" {
  description = "The GitHub repository, as owner/name."
  type        = string
}

variable "state" {
  description = "ARNs of the bucket and of the key of the Terraform state."
  type        = object({ bucket_arn = string, key_arn = string })
}

variable "domain" {
  description = "The names that users call, and the Route 53 zone that they are in."
  type        = object({ name = string, other_names = optional(set(string), []), zone_id = string })
}

variable "network" {
  description = "See the vpc module."
  type = object({
    cidr      = optional(string, "10.0.0.0/16")
    zones     = list(string)
    one_nat   = optional(bool, false)
    endpoints = optional(set(string))
  })
}

variable "cluster" {
  description = "See the eks module; administrator_arn is the role of the people who run the cluster."
  type = object({
    kubernetes        = optional(string, "1.35")
    public_cidrs      = optional(list(string), [])
    administrator_arn = string
    node_groups = map(object({
      instance_types = list(string)
      min            = number
      max            = number
      spot           = optional(bool, false)
      disk           = optional(number, 50)
    }))
  })
}

variable "database" {
  description = "See the rds module."
  type = object({
    postgres       = optional(string, "17")
    instance_class = string
    storage        = optional(object({ start = number, most = number }), { start = 100, most = 1000 })
    multi_az       = optional(bool, true)
    backup_days    = optional(number, 14)
  })
}

variable "elasticache" {
  description = "See the redis module. Null: Redis runs in the cluster, from its chart. Before it is switched on, the secret NAME/redis-users must hold a password for each service."
  type        = object({ node_type = optional(string, "cache.t4g.small"), replicas = optional(number, 1) })
  default     = null
}

variable "apps" {
  description = "Programs of yours that run beside Tidewheel, such as backend: each gets an image repository, a secret and a role."
  type        = set(string)
  default     = []
}

variable "grants" {
  description = "What a service may do in AWS beyond nothing, as ARNs: service => secrets that it reads, buckets that it writes to."
  type = map(object({
    reads_secrets  = optional(list(string), [])
    writes_buckets = optional(list(string), [])
  }))
  default = {}

  validation {
    condition     = alltrue([for service in keys(var.grants) : contains(local.services, service)])
    error_message = "A grant names a service that does not exist; these do: ${join(", ", local.services)}."
  }
}

variable "keep" {
  description = "Refuse any plan that would destroy or replace what holds data."
  type        = bool
  default     = true
}

variable "encrypt_at_rest" {
  description = "Encrypt what is stored with keys of ours. False is for an installation that is to be encrypted as its last step; docs/operations/encryption.md says what switching it does."
  type        = bool
  default     = true
}
