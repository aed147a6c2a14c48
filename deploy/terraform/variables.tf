# Who is told

variable "notification_email" {
  description = "Address that is told of every incident; it gets a mail to confirm. Empty when the topic is subscribed to in another way."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([^@\\s,;]+@[^@\\s,;]+\\.[^@\\s,;]+)?$", var.notification_email))
    error_message = "One e-mail address, or nothing."
  }
}

variable "email_format" {
  description = "email is prose; email-json is the whole message with the incident in it, for programs that read a mailbox."
  type        = string
  default     = "email"
  nullable    = false

  validation {
    condition     = contains(["email", "email-json"], var.email_format)
    error_message = "One of \"email\", \"email-json\"."
  }
}

variable "time_zone" {
  description = "Time zone (IANA name) in which messages show times, besides UTC."
  type        = string
  default     = "UTC"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_+/-]+$", var.time_zone))
    error_message = "A name such as Europe/Berlin: letters, digits, _ + / -."
  }
}

variable "compat" {
  description = "\"2017\" sends messages in the shape of the 2017 AWS sample."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = contains(["", "2017"], var.compat)
    error_message = "One of \"\", \"2017\"."
  }
}

# What may be repaired

variable "mode" {
  description = "repair starts stopped trails again; observe only watches and tells, and its roles may change nothing."
  type        = string
  default     = "repair"
  nullable    = false

  validation {
    condition     = contains(["repair", "observe"], var.mode)
    error_message = "One of \"repair\", \"observe\"."
  }
}

variable "restore_trail_arns" {
  description = "Trails that may be put back in full (settings, selectors, Insights, tags, and the trail itself when it was deleted), as ARNs. Empty, as it begins: what would have been put back is only reported."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.restore_trail_arns : can(regex("^arn:aws[a-z-]*:cloudtrail:([a-z0-9-]+|\\*):([0-9]{12}|\\*):trail/[A-Za-z0-9._*-]+$", arn))])
    error_message = "ARNs of trails."
  }
}

variable "restore_log_role_arns" {
  description = "Roles with which those trails write to CloudWatch Logs; they are passed to CloudTrail when the delivery is put back."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.restore_log_role_arns : can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|\\*):role/.+$", arn))])
    error_message = "ARNs of roles."
  }
}

variable "baseline" {
  description = "File in the zip that pins the trails, trailwarden.baseline.json as built. Empty when nothing is pinned."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]*$", var.baseline))
    error_message = "A file name without a folder, or nothing."
  }
}

# How people are told

variable "config" {
  description = "File in the zip with channels, routing and the rest of the configuration, trailwarden.config.json as built. Empty for none."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]*$", var.config))
    error_message = "A file name without a folder, or nothing."
  }
}

variable "secret_arns" {
  description = "Secrets of Secrets Manager and parameters of Parameter Store that channels take tokens and passwords from, as ARNs."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.secret_arns : can(regex("^arn:aws[a-z-]*:(secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:|ssm:[a-z0-9-]+:[0-9]{12}:parameter/).+$", arn))])
    error_message = "ARNs of secrets and of parameters."
  }
}

variable "event_bus_arn" {
  description = "Event bus that incidents are put on, for whatever EventBridge reaches. Empty for none."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9._/-]+)?$", var.event_bus_arn))
    error_message = "The ARN of an event bus, or nothing."
  }
}

variable "security_hub" {
  description = "Incidents as findings of Security Hub, in this account and Region."
  type        = bool
  default     = false
  nullable    = false
}

variable "chat_topic_arn" {
  description = "Topic of Amazon Q in chat applications, for Slack and Teams without a token. Not trailwarden's own. Empty for none."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+)?$", var.chat_topic_arn))
    error_message = "The ARN of a topic, or nothing."
  }
}

# What is kept elsewhere

variable "evidence_bucket" {
  description = "Bucket in this Region for evidence that is too large for the ledger's table. Empty keeps it in the table, in pieces."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$", var.evidence_bucket))
    error_message = "The name of a bucket, or nothing."
  }
}

variable "evidence_bucket_owner" {
  description = "Account that the evidence bucket must belong to. Empty for this one."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([0-9]{12})?$", var.evidence_bucket_owner))
    error_message = "12 digits, or nothing."
  }
}

variable "anchor_bucket" {
  description = "Bucket with Object Lock, best of another account, that the heads of the ledger's chains are put into. Empty for none."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$", var.anchor_bucket))
    error_message = "The name of a bucket, or nothing."
  }
}

variable "anchor_bucket_owner" {
  description = "Account that the anchor bucket must belong to. Empty for this one."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([0-9]{12})?$", var.anchor_bucket_owner))
    error_message = "12 digits, or nothing."
  }
}

# Code

variable "artifact_bucket" {
  description = "Private, versioned bucket in this Region that holds the function's zip."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.artifact_bucket))
    error_message = "The name of a bucket."
  }
}

variable "artifact_key" {
  description = "Key of the zip in that bucket."
  type        = string
  nullable    = false

  validation {
    condition     = var.artifact_key != ""
    error_message = "Not empty."
  }
}

variable "artifact_version" {
  description = "Version of the object; with the hash below it pins the code."
  type        = string
  nullable    = false

  validation {
    condition     = var.artifact_version != ""
    error_message = "Not empty."
  }
}

variable "artifact_sha256" {
  description = "SHA-256 of the zip in base64, as Lambda tells it. With another zip the apply fails."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9+/]{43}=$", var.artifact_sha256))
    error_message = "44 characters: openssl dgst -sha256 -binary FILE.zip | base64."
  }
}

variable "release" {
  description = "Version of trailwarden, for the dashboard and outputs."
  type        = string
  default     = "devel"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]{1,64}$", var.release))
    error_message = "Up to 64 letters, digits and . _ -."
  }
}

# How it runs

variable "name" {
  description = "Name that everything begins with. Two of them in one account need two names."
  type        = string
  default     = "trailwarden"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,29}$", var.name))
    error_message = "3 to 30 small letters, digits and hyphens, with a letter first."
  }
}

variable "sweep_schedule" {
  description = "How often every trail is looked at, whether or not an event told of it."
  type        = string
  default     = "rate(1 minute)"
  nullable    = false

  validation {
    condition     = can(regex("^rate\\((1 minute|[1-9][0-9]* minutes)\\)$", var.sweep_schedule))
    error_message = "rate(1 minute), or rate(N minutes)."
  }
}

variable "maximum_concurrency" {
  description = "How many events are worked on at once at most; the rest waits in the queue."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.maximum_concurrency >= 2 && var.maximum_concurrency <= 5
    error_message = "From 2 to 5."
  }
}

variable "react_reserved_concurrency" {
  description = "Concurrency kept free for the function that reacts, at least maximum_concurrency; -1 for none. Look at the account's quota first."
  type        = number
  default     = -1
  nullable    = false

  validation {
    condition     = var.react_reserved_concurrency >= -1
    error_message = "At least -1."
  }
}

variable "sweep_reserved_concurrency" {
  description = "Concurrency kept free for the function that sweeps, 2 is enough; -1 for none. Look at the account's quota first."
  type        = number
  default     = -1
  nullable    = false

  validation {
    condition     = var.sweep_reserved_concurrency >= -1
    error_message = "At least -1."
  }
}

variable "log_retention_days" {
  description = "How many days the functions' logs are kept."
  type        = number
  default     = 400
  nullable    = false

  validation {
    condition     = contains([30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "One of 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653."
  }
}

variable "enable_alarms" {
  description = "Alarms for when trailwarden itself is in trouble, or silent."
  type        = bool
  default     = true
  nullable    = false
}

variable "enable_dashboard" {
  description = "A dashboard in CloudWatch."
  type        = bool
  default     = true
  nullable    = false
}

variable "alarm_topic_arn" {
  description = "Another topic in this Region for the alarms. Empty sends them to trailwarden's own."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+)?$", var.alarm_topic_arn))
    error_message = "The ARN of a topic, or nothing."
  }
}

# Encryption and limits

variable "topic_key_arn" {
  description = "Key of yours that encrypts the topic. Its policy has to let events.amazonaws.com and cloudwatch.amazonaws.com use kms:Decrypt and kms:GenerateDataKey*. Not the ledger's key."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+)?$", var.topic_key_arn))
    error_message = "The ARN of a key, or nothing."
  }
}

variable "ledger_key_arn" {
  description = "Key of yours that encrypts the ledger. Whoever disables it cannot silence the topic if that has another."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+)?$", var.ledger_key_arn))
    error_message = "The ARN of a key, or nothing."
  }
}

variable "log_key_arn" {
  description = "Key of yours that encrypts the log groups. Its policy has to let CloudWatch Logs of this Region use it."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+)?$", var.log_key_arn))
    error_message = "The ARN of a key, or nothing."
  }
}

variable "key_arns" {
  description = "Keys of yours that encrypt those secrets, parameters and buckets, or the chat's topic. Neither the topic's nor the ledger's key."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.key_arns : can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "ARNs of keys."
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary that your organization demands of roles. Empty uses the one of this module."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+)?$", var.permissions_boundary_arn))
    error_message = "The ARN of a policy, or nothing."
  }
}

# Organization and witness

variable "organization_id" {
  description = "Id of the organization whose member accounts report here (modules/member). Empty for this account alone."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(o-[a-z0-9]{10,32})?$", var.organization_id))
    error_message = "Such as o-a1b2c3d4e5, or nothing."
  }
}

variable "member_accounts" {
  description = "Member accounts that are guarded from here, besides this one."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for account in var.member_accounts : can(regex("^[0-9]{12}$", account))])
    error_message = "Accounts: 12 digits each."
  }
}

variable "heartbeat_bus_arn" {
  description = "Event bus of the witness account (bus_arn of modules/witness), which alarms when sweeps stop."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9._/-]+)?$", var.heartbeat_bus_arn))
    error_message = "The ARN of an event bus, or nothing."
  }
}

variable "keep_evidence" {
  description = "Protects the ledger from deletion and leaves the functions' logs behind when all else is destroyed: README, Uninstall."
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
