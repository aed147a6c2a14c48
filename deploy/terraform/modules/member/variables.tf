# Central account

variable "central_account_id" {
  description = "Account that trailwarden runs in."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.central_account_id))
    error_message = "An account: 12 digits."
  }
}

variable "organization_id" {
  description = "Id of the organization; roles of no other one are trusted."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "Such as o-a1b2c3d4e5."
  }
}

variable "central_bus_arn" {
  description = "central_bus_arn among the outputs of the module in the central account."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9._/-]+$", var.central_bus_arn))
    error_message = "The ARN of an event bus."
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

# What may be repaired

variable "mode" {
  description = "repair lets stopped trails be started again; observe lets nothing be changed."
  type        = string
  default     = "repair"
  nullable    = false

  validation {
    condition     = contains(["repair", "observe"], var.mode)
    error_message = "One of \"repair\", \"observe\"."
  }
}

variable "restore_trail_arns" {
  description = "Trails that may be put back in full, as ARNs; Region and account may be *, as in arn:aws:cloudtrail:*:*:trail/main. Empty, as it begins: what would have been put back is only reported."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.restore_trail_arns : can(regex("^arn:aws[a-z-]*:cloudtrail:([a-z0-9-]+|\\*):([0-9]{12}|\\*):trail/[A-Za-z0-9._*-]+$", arn))])
    error_message = "ARNs of trails."
  }
}

variable "restore_log_role_arns" {
  description = "Roles with which those trails write to CloudWatch Logs."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.restore_log_role_arns : can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|\\*):role/.+$", arn))])
    error_message = "ARNs of roles."
  }
}

# Limits

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the roles. Empty for none."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+)?$", var.permissions_boundary_arn))
    error_message = "The ARN of a policy, or nothing."
  }
}

variable "create_roles" {
  description = "False in every further Region of an account: the roles are there already."
  type        = bool
  default     = true
  nullable    = false
}

variable "tags" {
  description = "Tags of everything that takes tags, besides app."
  type        = map(string)
  default     = {}
  nullable    = false
}
