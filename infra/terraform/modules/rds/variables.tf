variable "name" {
  description = "Name of the instance and of what belongs to it."
  type        = string
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets in two zones or more."
  type        = list(string)
}

variable "client_security_group_ids" {
  description = "Who may connect: purpose => security group."
  type        = map(string)
}

variable "kms_key_arn" {
  description = "The key that encrypts storage, backups, the master password and Performance Insights."
  type        = string
}

variable "postgres" {
  description = "The version: 15 to 18. A minor version is chosen by AWS."
  type        = string
  default     = "17"

  validation {
    condition     = contains(["15", "16", "17", "18"], var.postgres)
    error_message = "Tidewheel runs on PostgreSQL 15 to 18; give the major version, such as \"17\"."
  }
}

variable "instance_class" {
  description = "The size, for example db.m7g.large."
  type        = string
}

variable "storage" {
  description = "Gigabytes at the start, and at most when storage grows by itself. From 400 on, gp3 has 12,000 IOPS and 500 MB/s."
  type        = object({ start = number, most = number })
  default     = { start = 100, most = 1000 }
}

variable "multi_az" {
  description = "A standby in another zone that has every commit: the loss of a zone loses nothing."
  type        = bool
  default     = true
}

variable "backup_days" {
  description = "Days back that any second can be restored."
  type        = number
  default     = 14
}

variable "keep" {
  description = "Refuse any plan that would destroy or replace the database; AWS refuses too, and a last snapshot is made."
  type        = bool
  default     = true
}

variable "encrypted" {
  description = "Encrypt storage and backups; the owner's password and Performance Insights always are. Switching it replaces the instance. False is for an installation that is to be encrypted later; docs/operations/encryption.md says how."
  type        = bool
  default     = true
}
