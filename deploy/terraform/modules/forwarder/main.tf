# trailwarden, in every other Region that something of interest happens in: the home Regions of further trails, and us-east-1
# (aws-cn: cn-north-1, aws-us-gov: us-gov-west-1), where the events of IAM appear. Brings events to the bus of the Region that
# trailwarden runs in.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id
  tags      = merge(var.tags, { app = var.name })

  # A bus that forwards to itself never ends: at home nothing is made.
  elsewhere        = var.home_region != local.region ? 1 : 0
  home_bus_arn     = "arn:${local.partition}:events:${var.home_region}:${local.account}:event-bus/default"
  dead_letters_arn = "arn:${local.partition}:sqs:${local.region}:${local.account}:${var.name}-forward-dead-letters"
}

resource "aws_cloudwatch_event_rule" "trail" {
  count = local.elsewhere

  name        = "${var.name}-forward"
  description = "Calls that change trails, to the bus that trailwarden listens to."
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
  count = local.elsewhere

  rule      = aws_cloudwatch_event_rule.trail[0].name
  target_id = "home"
  arn       = local.home_bus_arn
  role_arn  = aws_iam_role.forward[0].arn

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters[0].arn
  }
}

# Matches where IAM's events appear, and nowhere else: among them the use of the kill switch.
resource "aws_cloudwatch_event_rule" "self" {
  count = local.elsewhere

  name        = "${var.name}-forward-self"
  description = "Changes to trailwarden's roles and policies, to the bus that trailwarden listens to."
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
  count = local.elsewhere

  rule      = aws_cloudwatch_event_rule.self[0].name
  target_id = "home"
  arn       = local.home_bus_arn
  role_arn  = aws_iam_role.forward[0].arn

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters[0].arn
  }
}

resource "aws_iam_role" "forward" {
  count = local.elsewhere

  name                 = "${var.name}-forward-${local.region}"
  description          = "EventBridge sends events to the Region that trailwarden runs in with it."
  permissions_boundary = var.permissions_boundary_arn == "" ? null : var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:events:${local.region}:${local.account}:rule/${var.name}-forward*" }
      }
    }]
  })
  tags = local.tags
}

resource "aws_iam_role_policy" "forward" {
  count = local.elsewhere

  name = "send"
  role = aws_iam_role.forward[0].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "SendToHomeBus"
      Effect   = "Allow"
      Action   = "events:PutEvents"
      Resource = local.home_bus_arn
    }]
  })
}

# What could not be sent is evidence.
resource "aws_sqs_queue" "dead_letters" {
  count = local.elsewhere

  name                      = "${var.name}-forward-dead-letters"
  sqs_managed_sse_enabled   = true
  message_retention_seconds = 1209600
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OnlyTheseRulesSend"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = local.dead_letters_arn
        Condition = {
          ArnEquals = { "aws:SourceArn" = [aws_cloudwatch_event_rule.trail[0].arn, aws_cloudwatch_event_rule.self[0].arn] }
        }
      },
      {
        Sid       = "NobodyPurges"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:PurgeQueue"
        Resource  = local.dead_letters_arn
      },
    ]
  })
  tags = local.tags
}
