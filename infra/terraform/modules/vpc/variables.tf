variable "name" {
  description = "Name of the network; what is in it is tagged NAME-PART."
  type        = string
}

variable "region" {
  description = "The region, as part of the names of the endpoints."
  type        = string
}

variable "cidr" {
  description = "The addresses of the network: a /16. Private subnets are /19, public ones /24."
  type        = string
  default     = "10.0.0.0/16"

  validation {
    condition     = can(cidrsubnet(var.cidr, 3, 0)) && endswith(var.cidr, "/16")
    error_message = "cidr must be a /16, such as 10.0.0.0/16."
  }
}

variable "zones" {
  description = "The availability zones, two to four, such as eu-central-1a."
  type        = list(string)

  validation {
    condition     = length(var.zones) >= 2 && length(var.zones) <= 4
    error_message = "Two to four zones: RDS and EKS need two, and the address plan has room for four."
  }
}

variable "one_nat" {
  description = "One NAT gateway for all zones: cheaper, and the loss of its zone takes the way out from all of them."
  type        = bool
  default     = false
}

variable "endpoints" {
  description = "The AWS services that are reached without leaving the network, beside S3. Each costs by the hour and zone."
  type        = set(string)
  default     = ["ecr.api", "ecr.dkr", "eks-auth", "kms", "logs", "secretsmanager", "sts"]
  nullable    = false
}

variable "logs_key_arn" {
  description = "The key that encrypts the flow log."
  type        = string
}

variable "log_days" {
  description = "Days that the flow log is kept."
  type        = number
  default     = 30
}
