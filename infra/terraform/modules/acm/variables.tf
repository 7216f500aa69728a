variable "domain" {
  description = "The name that users call, for example tasks.example.com."
  type        = string
}

variable "other_names" {
  description = "More names on the same certificate, for example the console's."
  type        = set(string)
  default     = []
}

variable "zone_id" {
  description = "The Route 53 zone that proves that the names are ours."
  type        = string
}
