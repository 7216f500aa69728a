variable "cluster_name" {
  description = "The cluster."
  type        = string
}

variable "volumes_key_arn" {
  description = "The key of pods' disks, for the driver that makes them."
  type        = string
}

variable "associations" {
  description = "Service => its service account, its namespace and the role that its pods take."
  type        = map(object({ service_account = string, namespace = string, role_arn = string }))
}
