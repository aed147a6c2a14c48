# Who is watched

variable "watched_account_id" {
  description = "Account that trailwarden runs in."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.watched_account_id))
    error_message = "An account: 12 digits."
  }
}

variable "watched_region" {
  description = "Region that trailwarden runs in."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2,8}(-[a-z]+)+-[0-9]{1,2}$", var.watched_region))
    error_message = "A Region, such as eu-central-1."
  }
}

variable "name" {
  description = "Name of the trailwarden that is watched."
  type        = string
  default     = "trailwarden"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,29}$", var.name))
    error_message = "3 to 30 small letters, digits and hyphens, with a letter first."
  }
}

# Who is told

variable "notification_email" {
  description = "Address that is told of silence; better another one than trailwarden's own."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[^@\\s,;]+@[^@\\s,;]+\\.[^@\\s,;]+$", var.notification_email))
    error_message = "One e-mail address."
  }
}

variable "minutes_of_silence" {
  description = "For how many minutes no sweep may come to its end before it is an alarm."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.minutes_of_silence >= 2 && var.minutes_of_silence <= 60
    error_message = "From 2 to 60."
  }
}

variable "tags" {
  description = "Tags of everything that takes tags, besides app."
  type        = map(string)
  default     = {}
  nullable    = false
}
