variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "kubernetes" {
  description = "The version, such as \"1.35\"."
  type        = string
  default     = "1.35"
}

variable "subnet_ids" {
  description = "Private subnets, one for each zone."
  type        = list(string)
}

variable "secrets_key_arn" {
  description = "The key that encrypts Kubernetes Secrets."
  type        = string
}

variable "volumes_key_arn" {
  description = "The key that encrypts the disks of nodes and pods."
  type        = string
}

variable "logs_key_arn" {
  description = "The key that encrypts the control plane's log."
  type        = string
}

variable "log_days" {
  description = "Days that the control plane's log is kept."
  type        = number
  default     = 90
}

variable "public_cidrs" {
  description = "Who may reach the API from outside the network; none: nobody, workflows then need runners inside."
  type        = list(string)
  default     = []

  validation {
    condition     = !contains(var.public_cidrs, "0.0.0.0/0")
    error_message = "Name the networks that may reach the API; the whole internet is not one of them."
  }
}

variable "node_groups" {
  description = "Group => machine types, how many at least and at most, spot or not, and gigabytes of disk."
  type = map(object({
    instance_types = list(string)
    min            = number
    max            = number
    spot           = optional(bool, false)
    disk           = optional(number, 50)
  }))
}

variable "access" {
  description = "Who may do what in the cluster: name => IAM principal, EKS access policy, namespaces (none: all) and Kubernetes groups."
  type = map(object({
    principal_arn = string
    policy        = string
    namespaces    = optional(list(string), [])
    groups        = optional(list(string), [])
  }))
}

variable "associations" {
  description = "Service => its service account, its namespace and the role that its pods take."
  type        = map(object({ service_account = string, namespace = string, role_arn = string }))
  default     = {}
}

variable "encrypted" {
  description = "Encrypt Kubernetes Secrets and the disks of nodes and pods with our keys. False is for an installation that is to be encrypted later; docs/operations/encryption.md says how."
  type        = bool
  default     = true
}
