variable "name" {
  description = "Prefix of the repositories: NAME/SERVICE."
  type        = string
}

variable "services" {
  description = "The services that have an image."
  type        = set(string)
}

variable "kms_key_arn" {
  description = "The key that encrypts the images."
  type        = string
}

variable "images_kept" {
  description = "How many images each repository keeps, the newest first: as far back as a roll-back can go. A signature counts as an image."
  type        = number
  default     = 100
}

variable "keep" {
  description = "False lets a destroy delete the images."
  type        = bool
  default     = true
}
