# trailwarden in a member account. Once, in one Region, with the roles that trailwarden in the central account reads and repairs
# with and that events are sent with (member-role.yaml); in every further Region with create_roles = false, for the rules alone
# (member-rules.yaml).

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  tags      = merge(var.tags, { app = var.name })

  # Known without the role, which another Region's instance of this module makes.
  forward_role_arn = "arn:${local.partition}:iam::${local.account}:role/${var.name}-forward"
}

resource "aws_cloudwatch_event_rule" "trail" {
  name        = "${var.name}-member"
  description = "Calls that change trails, to trailwarden in the central account."
  event_pattern = jsonencode({
    source        = ["aws.cloudtrail"]
    "detail-type" = ["AWS API Call via CloudTrail"]
    account       = [local.account]
    detail = {
      eventSource = ["cloudtrail.amazonaws.com"]
      eventName = [
        "StopLogging", "StartLogging", "UpdateTrail", "DeleteTrail", "CreateTrail", "AddTags", "RemoveTags",
        "PutEventSelectors", "PutInsightSelectors", "PutEventConfiguration",
      ]
    }
  })
  tags = local.tags
}

resource "aws_cloudwatch_event_target" "trail" {
  rule      = aws_cloudwatch_event_rule.trail.name
  target_id = "central"
  arn       = var.central_bus_arn
  role_arn  = local.forward_role_arn

  depends_on = [aws_iam_role_policy.forward]
}

resource "aws_cloudwatch_event_rule" "self" {
  name        = "${var.name}-member-self"
  description = "Changes to trailwarden's roles and policies, to the central account. Matches where IAM's events appear."
  event_pattern = jsonencode({
    source        = ["aws.iam"]
    "detail-type" = ["AWS API Call via CloudTrail"]
    account       = [local.account]
    detail = {
      eventSource = ["iam.amazonaws.com"]
      "$or" = [
        { requestParameters = { roleName = [{ prefix = "${var.name}-" }] } },
        { requestParameters = { policyArn = [{ wildcard = "*policy/${var.name}-*" }] } },
      ]
    }
  })
  tags = local.tags
}

resource "aws_cloudwatch_event_target" "self" {
  rule      = aws_cloudwatch_event_rule.self.name
  target_id = "central"
  arn       = var.central_bus_arn
  role_arn  = local.forward_role_arn

  depends_on = [aws_iam_role_policy.forward]
}
