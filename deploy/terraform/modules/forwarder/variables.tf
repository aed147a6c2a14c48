# Where trailwarden runs

variable "home_region" {
  description = "Region that trailwarden runs in. There this module makes nothing, as trailwarden has rules of its own."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2,8}(-[a-z]+)+-[0-9]{1,2}$", var.home_region))
    error_message = "A Region, such as eu-central-1."
  }
}

variable "name" {
  description = "Name of the trailwarden that it belongs to."
  type        = string
  default     = "trailwarden"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,29}$", var.name))
    error_message = "3 to 30 small letters, digits and hyphens, with a letter first."
  }
}

# Limits

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the role. Empty for none."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+)?$", var.permissions_boundary_arn))
    error_message = "The ARN of a policy, or nothing."
  }
}

variable "tags" {
  description = "Tags of everything that takes tags, besides app."
  type        = map(string)
  default     = {}
  nullable    = false
}
