# One account, one Region, and us-east-1 for the events of IAM. The zip goes into a private, versioned bucket of yours.

provider "aws" {
  region = var.region
}

provider "aws" {
  alias  = "iam_events"
  region = var.iam_events_region
}

module "trailwarden" {
  source = "../.."

  notification_email = var.notification_email
  artifact_bucket    = aws_s3_bucket.artifacts.bucket
  artifact_key       = aws_s3_object.zip.key
  artifact_version   = aws_s3_object.zip.version_id
  artifact_sha256    = filebase64sha256(var.zip)
  baseline           = var.baseline
  config             = var.config
  secret_arns        = var.secret_arns
  security_hub       = var.security_hub
}

# Changes of trailwarden's own roles, its kill switch among them, are events of this Region.
module "iam_events" {
  source = "../../modules/forwarder"

  home_region = var.region

  providers = {
    aws = aws.iam_events
  }
}

resource "aws_s3_bucket" "artifacts" {
  bucket_prefix = "trailwarden-artifacts-"
}

resource "aws_s3_bucket_versioning" "artifacts" {
  bucket = aws_s3_bucket.artifacts.bucket

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_public_access_block" "artifacts" {
  bucket                  = aws_s3_bucket.artifacts.bucket
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_object" "zip" {
  bucket      = aws_s3_bucket_versioning.artifacts.bucket
  key         = "trailwarden.zip"
  source      = var.zip
  source_hash = filebase64sha256(var.zip)
}
