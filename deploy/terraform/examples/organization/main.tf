# An organization: trailwarden in a central account, a witness in a second one, and a member account with two Regions. For
# many members take a StackSet of deploy/cloudformation/member-role.yaml and member-rules.yaml, which accounts to come get too:
# a provider for each account and Region is as far as Terraform goes here.

provider "aws" {
  alias   = "central"
  region  = var.region
  profile = var.profiles.central
}

provider "aws" {
  alias   = "central_iam_events"
  region  = var.iam_events_region
  profile = var.profiles.central
}

provider "aws" {
  alias   = "witness"
  region  = var.region
  profile = var.profiles.witness
}

provider "aws" {
  alias   = "member"
  region  = var.region
  profile = var.profiles.member
}

provider "aws" {
  alias   = "member_iam_events"
  region  = var.iam_events_region
  profile = var.profiles.member
}

data "aws_caller_identity" "central" {
  provider = aws.central
}

data "aws_caller_identity" "witness" {
  provider = aws.witness
}

data "aws_caller_identity" "member" {
  provider = aws.member
}

module "trailwarden" {
  source = "../.."

  notification_email = var.notification_email
  artifact_bucket    = var.artifact.bucket
  artifact_key       = var.artifact.key
  artifact_version   = var.artifact.version
  artifact_sha256    = var.artifact.sha256
  organization_id    = var.organization_id
  member_accounts    = [data.aws_caller_identity.member.account_id]
  heartbeat_bus_arn  = module.witness.bus_arn

  # Who owns the central account owns its ledger, and not what the ledger was an hour ago.
  anchor_bucket       = var.anchor_bucket
  anchor_bucket_owner = var.anchor_bucket == "" ? "" : data.aws_caller_identity.witness.account_id

  providers = {
    aws = aws.central
  }
}

module "central_iam_events" {
  source = "../../modules/forwarder"

  home_region = var.region

  providers = {
    aws = aws.central_iam_events
  }
}

module "witness" {
  source = "../../modules/witness"

  watched_account_id = data.aws_caller_identity.central.account_id
  watched_region     = var.region
  notification_email = var.witness_email

  providers = {
    aws = aws.witness
  }
}

module "member" {
  source = "../../modules/member"

  central_account_id = data.aws_caller_identity.central.account_id
  central_bus_arn    = module.trailwarden.central_bus_arn
  organization_id    = var.organization_id

  providers = {
    aws = aws.member
  }
}

module "member_iam_events" {
  source = "../../modules/member"

  central_account_id = data.aws_caller_identity.central.account_id
  central_bus_arn    = module.trailwarden.central_bus_arn
  organization_id    = var.organization_id
  create_roles       = false

  providers = {
    aws = aws.member_iam_events
  }

  depends_on = [module.member]
}
