variable "name" {
  description = "Name of the replication group and of what belongs to it."
  type        = string
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets, one for each zone."
  type        = list(string)
}

variable "client_security_group_ids" {
  description = "Who may connect: purpose => security group."
  type        = map(string)
}

variable "kms_key_arn" {
  description = "The key that encrypts what is written to disk."
  type        = string
}

variable "node_type" {
  description = "The size, for example cache.t4g.small. Redis holds hints for a few seconds of work only."
  type        = string
  default     = "cache.t4g.small"
}

variable "replicas" {
  description = "Copies that can take over, in other zones. 0: the loss of the node costs seconds of latency, no task."
  type        = number
  default     = 1
}

variable "users" {
  description = "User => password and what it may do, as an ACL string. The passwords stand in the state, which is why the state is encrypted."
  type = map(object({
    password = string
    access   = string
  }))
}

variable "encrypted" {
  description = "Encrypt what is written to disk. Switching it replaces the replication group; the dispatcher fills the new one. False is for an installation that is to be encrypted later; docs/operations/encryption.md says how."
  type        = bool
  default     = true
}
