# trailwarden's witness, in a second account that whoever takes over the first one does not reach: alarms when sweeps stop, to
# people of its own. No code runs here. Make it first, then give bus_arn to trailwarden as heartbeat_bus_arn.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id
  tags      = merge(var.tags, { app = var.name })
}

resource "aws_cloudwatch_event_bus" "this" {
  name        = "${var.name}-witness"
  description = "Heartbeats of trailwarden in another account."
  tags        = local.tags
}

resource "aws_cloudwatch_event_bus_policy" "this" {
  event_bus_name = aws_cloudwatch_event_bus.this.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "heartbeat"
      Effect    = "Allow"
      Principal = { AWS = "arn:${local.partition}:iam::${var.watched_account_id}:root" }
      Action    = "events:PutEvents"
      Resource  = aws_cloudwatch_event_bus.this.arn
      Condition = {
        ArnEquals = { "aws:PrincipalArn" = "arn:${local.partition}:iam::${var.watched_account_id}:role/${var.name}-heartbeat" }
      }
    }]
  })
}

# Each heartbeat is a line in a log, and each line counts one.
resource "aws_cloudwatch_event_rule" "heartbeat" {
  name           = "${var.name}-heartbeat"
  event_bus_name = aws_cloudwatch_event_bus.this.name
  description    = "Heartbeats, to the log that counts them."
  event_pattern = jsonencode({
    source        = ["lambda"]
    "detail-type" = ["Lambda Function Invocation Result - Success"]
    account       = [var.watched_account_id]
    region        = [var.watched_region]
    resources     = [{ wildcard = "*:function:${var.name}-sweep:*" }]
  })
  tags = local.tags
}

resource "aws_cloudwatch_event_target" "heartbeat" {
  event_bus_name = aws_cloudwatch_event_bus.this.name
  rule           = aws_cloudwatch_event_rule.heartbeat.name
  target_id      = "log"
  arn            = aws_cloudwatch_log_group.heartbeat.arn
}

resource "aws_cloudwatch_log_group" "heartbeat" {
  name              = "/aws/events/${var.name}-witness"
  retention_in_days = 30
  tags              = local.tags
}

resource "aws_cloudwatch_log_resource_policy" "heartbeat" {
  policy_name = "${var.name}-witness"
  policy_document = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "RulesWrite"
      Effect    = "Allow"
      Principal = { Service = ["events.amazonaws.com", "delivery.logs.amazonaws.com"] }
      Action    = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource  = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/aws/events/${var.name}-witness:*"
    }]
  })
}

resource "aws_cloudwatch_log_metric_filter" "heartbeat" {
  name           = "heartbeats"
  log_group_name = aws_cloudwatch_log_group.heartbeat.name
  pattern        = ""

  metric_transformation {
    namespace = "Trailwarden"
    name      = "${var.name}-witnessed"
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "silence" {
  alarm_name          = "${var.name}-silence"
  alarm_description   = "trailwarden in account ${var.watched_account_id} (${var.watched_region}) is silent: no sweep has come to its end. Its trails may have been stopped unseen. Look there with other credentials than the usual ones."
  namespace           = "Trailwarden"
  metric_name         = "${var.name}-witnessed"
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = var.minutes_of_silence
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.this.arn]
  ok_actions          = [aws_sns_topic.this.arn]
  tags                = local.tags

  depends_on = [aws_cloudwatch_log_metric_filter.heartbeat]
}

resource "aws_sns_topic" "this" {
  name         = "${var.name}-witness"
  display_name = "trailwarden witness"
  tags         = local.tags
}

resource "aws_sns_topic_policy" "this" {
  arn = aws_sns_topic.this.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TheAlarmTells"
      Effect    = "Allow"
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.this.arn
      Condition = {
        ArnEquals = { "aws:SourceArn" = aws_cloudwatch_metric_alarm.silence.arn }
      }
    }]
  })
}

resource "aws_sns_topic_subscription" "people" {
  topic_arn = aws_sns_topic.this.arn
  protocol  = "email"
  endpoint  = var.notification_email
}
