variable "region" {
  description = "Region that trailwarden runs in."
  type        = string
}

variable "iam_events_region" {
  description = "Region in which the events of IAM appear: us-east-1 (aws-cn: cn-north-1, aws-us-gov: us-gov-west-1)."
  type        = string
  default     = "us-east-1"
}

variable "profiles" {
  description = "Profiles of the AWS configuration for the three accounts."
  type = object({
    central = string
    witness = string
    member  = string
  })
}

variable "organization_id" {
  description = "Id of the organization, aws organizations describe-organization."
  type        = string
}

variable "notification_email" {
  description = "Address that is told of every incident."
  type        = string
}

variable "witness_email" {
  description = "Address that is told when trailwarden is silent; better another one."
  type        = string
}

variable "artifact" {
  description = "The zip in a private, versioned bucket of the central account: key, version and SHA-256 in base64."
  type = object({
    bucket  = string
    key     = string
    version = string
    sha256  = string
  })
}

variable "anchor_bucket" {
  description = "Bucket with Object Lock in the witness account, whose policy lets trailwarden-sweep put objects. Empty for none."
  type        = string
  default     = ""
}
