variable "region" {
  description = "Region that trailwarden runs in: the home Region of the trail."
  type        = string
}

variable "iam_events_region" {
  description = "Region in which the events of IAM appear: us-east-1 (aws-cn: cn-north-1, aws-us-gov: us-gov-west-1)."
  type        = string
  default     = "us-east-1"
}

variable "notification_email" {
  description = "Address that is told of every incident."
  type        = string
}

variable "zip" {
  description = "The function's zip on this machine: dist/trailwarden-lambda-arm64.zip of make lambda."
  type        = string
}

variable "baseline" {
  description = "File in the zip that pins the trails. Empty when nothing is pinned."
  type        = string
  default     = ""
}

variable "config" {
  description = "File in the zip with channels and routing. Empty for none."
  type        = string
  default     = ""
}

variable "secret_arns" {
  description = "Secrets and parameters that those channels take tokens and passwords from, as ARNs."
  type        = list(string)
  default     = []
}

variable "security_hub" {
  description = "Incidents as findings of Security Hub."
  type        = bool
  default     = false
}
