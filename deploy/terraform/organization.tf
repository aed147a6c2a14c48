# For an organization: a bus of its own that member accounts send to (modules/member), and the rule that hands their events
# to the queue. No other rule of this account sees or is set off by what members send.

locals {
  event_accounts = concat(local.has_members ? var.member_accounts : [], local.has_members ? [] : [{ exists = true }])
}

resource "aws_cloudwatch_event_bus" "members" {
  count = local.in_organization ? 1 : 0

  name        = var.name
  description = "Events of member accounts, for trailwarden alone."
  tags        = local.tags
}

resource "aws_cloudwatch_event_bus_policy" "members" {
  count = local.in_organization ? 1 : 0

  event_bus_name = aws_cloudwatch_event_bus.members[0].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "organization"
      Effect    = "Allow"
      Principal = "*"
      Action    = "events:PutEvents"
      Resource  = aws_cloudwatch_event_bus.members[0].arn
      Condition = {
        StringEquals = {
          "aws:PrincipalOrgID" = var.organization_id
          "events:detail-type" = "AWS API Call via CloudTrail"
          "events:source"      = ["aws.cloudtrail", "aws.iam"]
        }
      }
    }]
  })
}

resource "aws_cloudwatch_event_rule" "members" {
  count = local.in_organization ? 1 : 0

  name           = "${var.name}-members"
  event_bus_name = aws_cloudwatch_event_bus.members[0].name
  description    = "Calls of members that change trails, to trailwarden's queue."
  event_pattern = jsonencode({
    source        = ["aws.cloudtrail"]
    "detail-type" = ["AWS API Call via CloudTrail"]
    account       = local.event_accounts
    detail = {
      eventSource = ["cloudtrail.amazonaws.com"]
      eventName   = local.watched_calls
    }
  })
  tags = local.tags
}

resource "aws_cloudwatch_event_target" "members" {
  count = local.in_organization ? 1 : 0

  event_bus_name = aws_cloudwatch_event_bus.members[0].name
  rule           = aws_cloudwatch_event_rule.members[0].name
  target_id      = "queue"
  arn            = aws_sqs_queue.events.arn

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters.arn
  }
}

# What is done to trailwarden's roles in a member goes to people straight away; the kill switch is one of these calls.
resource "aws_cloudwatch_event_rule" "members_self" {
  count = local.in_organization ? 1 : 0

  name           = "${var.name}-members-self"
  event_bus_name = aws_cloudwatch_event_bus.members[0].name
  description    = "Changes to trailwarden's roles and policies in members, straight to people."
  event_pattern = jsonencode({
    source        = ["aws.iam"]
    "detail-type" = ["AWS API Call via CloudTrail"]
    account       = local.event_accounts
    detail = {
      eventSource = ["iam.amazonaws.com"]
    }
  })
  tags = local.tags
}

resource "aws_cloudwatch_event_target" "members_self" {
  count = local.in_organization ? 1 : 0

  event_bus_name = aws_cloudwatch_event_bus.members[0].name
  rule           = aws_cloudwatch_event_rule.members_self[0].name
  target_id      = "people"
  arn            = aws_sns_topic.this.arn

  input_transformer {
    input_paths = {
      account = "$.account"
      call    = "$.detail.eventName"
      time    = "$.detail.eventTime"
      who     = "$.detail.userIdentity.arn"
      from    = "$.detail.sourceIPAddress"
      error   = "$.detail.errorCode"
      what    = "$.detail.requestParameters"
      id      = "$.detail.eventID"
    }
    input_template = <<-EOT
      "trailwarden itself was changed in account <account>: <call>"
      ""
      "When: <time>"
      "Who: <who>, from <from>"
      "Refused with (empty when it was not): <error>"
      "What: <what>"
      "CloudTrail event: <id>"
    EOT
  }
}

# What members sent can be played again, should this account have been out of order.
resource "aws_cloudwatch_event_archive" "members" {
  count = local.in_organization ? 1 : 0

  name             = var.name
  event_source_arn = aws_cloudwatch_event_bus.members[0].arn
  description      = "Events of member accounts, for 90 days."
  retention_days   = 90
}
