# trailwarden keeps AWS CloudTrail recording: it starts stopped trails again, sees every change to them, and tells people.
# One account, one Region; modules/forwarder brings it the events of other Regions. The same as deploy/cloudformation.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id
  tags      = merge(var.tags, { app = var.name })

  repairs         = var.mode == "repair"
  restores        = local.repairs && length(var.restore_trail_arns) > 0
  in_organization = var.organization_id != ""
  has_members     = local.in_organization && length(var.member_accounts) > 0
  has_witness     = var.heartbeat_bus_arn != ""

  events_arn       = "arn:${local.partition}:sqs:${local.region}:${local.account}:${var.name}-events"
  dead_letters_arn = "arn:${local.partition}:sqs:${local.region}:${local.account}:${var.name}-dead-letters"

  home_bus_arn = "arn:${local.partition}:events:${local.region}:${local.account}:event-bus/default"
  watched_calls = [
    "StopLogging", "StartLogging", "UpdateTrail", "DeleteTrail", "CreateTrail", "AddTags", "RemoveTags",
    "PutEventSelectors", "PutInsightSelectors", "PutEventConfiguration",
  ]
}

# ---- The way of an event: rule, queue, function ----

# Source and account keep forged events out: nobody but AWS can put events with a source that begins with "aws.", and a
# pattern without an account is open to whatever other accounts send.
resource "aws_cloudwatch_event_rule" "watch" {
  name        = "${var.name}-watch"
  description = "Calls that change trails, to trailwarden's queue."
  event_pattern = jsonencode({
    source        = ["aws.cloudtrail"]
    "detail-type" = ["AWS API Call via CloudTrail"]
    account       = [local.account]
    detail = {
      eventSource = ["cloudtrail.amazonaws.com"]
      eventName   = local.watched_calls
    }
  })
  tags = local.tags
}

resource "aws_cloudwatch_event_target" "watch" {
  rule      = aws_cloudwatch_event_rule.watch.name
  target_id = "queue"
  arn       = aws_sqs_queue.events.arn

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters.arn
  }
}

# With the policy within, the queue is at no time without one.
resource "aws_sqs_queue" "events" {
  name                       = "${var.name}-events"
  sqs_managed_sse_enabled    = true
  visibility_timeout_seconds = 360 # six times the function's time-out
  message_retention_seconds  = 1209600
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = 5
  })
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OnlyTheseRulesSend"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = local.events_arn
        Condition = {
          ArnEquals = { "aws:SourceArn" = concat([aws_cloudwatch_event_rule.watch.arn], aws_cloudwatch_event_rule.members[*].arn) }
        }
      },
      {
        Sid       = "OnlyTheFunctionReceives"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
        Resource  = local.events_arn
        Condition = {
          ArnNotEquals = { "aws:PrincipalArn" = aws_iam_role.react.arn }
        }
      },
      {
        Sid       = "NobodyPurges"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:PurgeQueue"
        Resource  = local.events_arn
      },
      {
        Sid       = "OnlyOverTLS"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = local.events_arn
        Condition = {
          Bool = { "aws:SecureTransport" = "false" }
        }
      },
    ]
  })
  tags = local.tags
}

# What could not be handled is evidence: README, "Uninstall".
resource "aws_sqs_queue" "dead_letters" {
  name                      = "${var.name}-dead-letters"
  sqs_managed_sse_enabled   = true
  message_retention_seconds = 1209600
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.events_arn]
  })
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
          ArnEquals = {
            "aws:SourceArn" = concat([aws_cloudwatch_event_rule.watch.arn, aws_cloudwatch_event_rule.self.arn], aws_cloudwatch_event_rule.members[*].arn)
          }
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

# Two functions of one zip: a flood of events does not starve the sweep.
locals {
  environment = {
    TRAILWARDEN_SNS_TOPIC_ARN    = aws_sns_topic.this.arn
    TRAILWARDEN_LEDGER           = "dynamodb://${aws_dynamodb_table.ledger.name}"
    TRAILWARDEN_OBSERVE          = local.repairs ? "false" : "true"
    TRAILWARDEN_REPAIR           = local.restores ? "all" : "start"
    TRAILWARDEN_RESTORE_ROLE_ARN = local.restores ? local.restore_role_arn : ""
    TRAILWARDEN_BASELINE         = var.baseline
    TRAILWARDEN_CONFIG           = var.config
    TRAILWARDEN_ACCOUNTS         = join(",", concat([local.account], local.has_members ? var.member_accounts : []))
    TRAILWARDEN_MEMBER_ROLE      = local.in_organization ? "${var.name}-member" : ""
    TRAILWARDEN_RETENTION        = "0" # the roles may not prune
    TRAILWARDEN_TIME_ZONE        = var.time_zone
    TRAILWARDEN_COMPAT           = var.compat

    TRAILWARDEN_NOTIFY_EVENTBRIDGE_BUS   = var.event_bus_arn
    TRAILWARDEN_NOTIFY_SECURITYHUB       = var.security_hub ? "true" : ""
    TRAILWARDEN_NOTIFY_AMAZONQ_TOPIC_ARN = var.chat_topic_arn

    TRAILWARDEN_EVIDENCE_BUCKET       = var.evidence_bucket
    TRAILWARDEN_EVIDENCE_BUCKET_OWNER = var.evidence_bucket != "" && var.evidence_bucket_owner == "" ? local.account : var.evidence_bucket_owner
    TRAILWARDEN_ANCHOR_BUCKET         = var.anchor_bucket
    TRAILWARDEN_ANCHOR_BUCKET_OWNER   = var.anchor_bucket != "" && var.anchor_bucket_owner == "" ? local.account : var.anchor_bucket_owner

    # What both hold the deployment against, each other too: internal/selfwatch.
    TRAILWARDEN_SELF = jsonencode({
      code_sha256   = var.artifact_sha256
      queue         = aws_sqs_queue.events.arn
      repair_policy = local.repairs ? "arn:${local.partition}:iam::${local.account}:policy/${var.name}-repair" : ""
      react         = { name = "${var.name}-react", role = aws_iam_role.react.arn }
      sweep         = { name = "${var.name}-sweep", role = aws_iam_role.sweep.arn }
      rule          = { name = aws_cloudwatch_event_rule.watch.name, account = local.account }
      schedule = {
        group      = var.name
        name       = "${var.name}-sweep"
        expression = var.sweep_schedule
        role       = "arn:${local.partition}:iam::${local.account}:role/${var.name}-timer"
      }
      events = {
        dead_letters = aws_sqs_queue.dead_letters.arn
        senders      = concat([aws_cloudwatch_event_rule.watch.arn], aws_cloudwatch_event_rule.members[*].arn)
      }
    })
  }
}

resource "aws_lambda_function" "react" {
  function_name                  = "${var.name}-react"
  description                    = "trailwarden repairs trails that an event tells of."
  runtime                        = "provided.al2023"
  architectures                  = ["arm64"]
  handler                        = "bootstrap"
  s3_bucket                      = var.artifact_bucket
  s3_key                         = var.artifact_key
  s3_object_version              = var.artifact_version
  role                           = aws_iam_role.react.arn
  memory_size                    = 256
  timeout                        = 60
  reserved_concurrent_executions = var.react_reserved_concurrency
  publish                        = true
  tags                           = local.tags

  logging_config {
    log_group        = aws_cloudwatch_log_group.react.name
    log_format       = "JSON"
    system_log_level = "WARN"
  }

  environment {
    variables = local.environment
  }

  depends_on = [aws_iam_role_policy.react, aws_iam_role_policy_attachment.react_watch, aws_iam_role_policy_attachment.react_self]
}

# Another zip fails the apply, and neither the queue nor the timer is let in. Read after the function changed: a condition on
# the function itself would compare an update's new hash with the old code.
data "aws_lambda_function" "react" {
  function_name = aws_lambda_function.react.function_name

  lifecycle {
    postcondition {
      condition     = self.code_sha256 == var.artifact_sha256
      error_message = "The code that runs is not the zip that artifact_sha256 names: mend artifact_version or artifact_sha256, and apply again."
    }
  }

  depends_on = [aws_lambda_function.react]
}

resource "aws_lambda_event_source_mapping" "react" {
  event_source_arn        = aws_sqs_queue.events.arn
  function_name           = aws_lambda_function.react.arn
  enabled                 = true
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]
  tags                    = local.tags

  scaling_config {
    maximum_concurrency = var.maximum_concurrency
  }

  depends_on = [data.aws_lambda_function.react]
}

resource "aws_cloudwatch_log_group" "react" {
  name              = "/aws/lambda/${var.name}-react"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_key_arn == "" ? null : var.log_key_arn
  skip_destroy      = var.keep_evidence
  tags              = local.tags
}

# ---- The sweep, which needs no event ----

resource "aws_lambda_function" "sweep" {
  function_name                  = "${var.name}-sweep"
  description                    = "trailwarden looks at every trail on a timer, and at itself."
  runtime                        = "provided.al2023"
  architectures                  = ["arm64"]
  handler                        = "bootstrap"
  s3_bucket                      = var.artifact_bucket
  s3_key                         = var.artifact_key
  s3_object_version              = var.artifact_version
  role                           = aws_iam_role.sweep.arn
  memory_size                    = 256
  timeout                        = 60
  reserved_concurrent_executions = var.sweep_reserved_concurrency
  publish                        = true
  tags                           = local.tags

  logging_config {
    log_group        = aws_cloudwatch_log_group.sweep.name
    log_format       = "JSON"
    system_log_level = "WARN"
  }

  environment {
    variables = local.environment
  }

  depends_on = [aws_iam_role_policy.sweep, aws_iam_role_policy_attachment.sweep_watch, aws_iam_role_policy_attachment.sweep_self]
}

data "aws_lambda_function" "sweep" {
  function_name = aws_lambda_function.sweep.function_name

  lifecycle {
    postcondition {
      condition     = self.code_sha256 == var.artifact_sha256
      error_message = "The code that runs is not the zip that artifact_sha256 names: mend artifact_version or artifact_sha256, and apply again."
    }
  }

  depends_on = [aws_lambda_function.sweep]
}

# A sweep that is late or failed is not repeated: the next one comes anyway.
resource "aws_lambda_function_event_invoke_config" "sweep" {
  function_name                = aws_lambda_function.sweep.function_name
  qualifier                    = "$LATEST"
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60

  dynamic "destination_config" {
    for_each = local.has_witness ? [local.home_bus_arn] : []

    content {
      on_success {
        destination = destination_config.value
      }
    }
  }
}

resource "aws_scheduler_schedule_group" "sweep" {
  name = var.name
  tags = local.tags
}

resource "aws_scheduler_schedule" "sweep" {
  name                = "${var.name}-sweep"
  group_name          = aws_scheduler_schedule_group.sweep.name
  description         = "trailwarden looks at every trail."
  schedule_expression = var.sweep_schedule
  state               = "ENABLED"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.sweep.arn
    role_arn = aws_iam_role.timer.arn
    input    = jsonencode({ sweep = true })

    retry_policy {
      maximum_retry_attempts       = 0
      maximum_event_age_in_seconds = 60
    }
  }

  depends_on = [data.aws_lambda_function.sweep]
}

resource "aws_cloudwatch_log_group" "sweep" {
  name              = "/aws/lambda/${var.name}-sweep"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_key_arn == "" ? null : var.log_key_arn
  skip_destroy      = var.keep_evidence
  tags              = local.tags
}

# ---- Who is told, and what is kept ----

resource "aws_sns_topic" "this" {
  name              = var.name
  display_name      = "trailwarden"
  kms_master_key_id = var.topic_key_arn == "" ? null : var.topic_key_arn
  tags              = local.tags

  lifecycle {
    precondition {
      condition     = var.topic_key_arn == "" || var.topic_key_arn != var.ledger_key_arn
      error_message = "Topic and ledger need different keys, so that disabling one key does not take both."
    }

    precondition {
      condition     = !contains(var.key_arns, var.topic_key_arn)
      error_message = "The topic's key may not be among key_arns, so that disabling one key does not silence every channel."
    }
  }
}

resource "aws_sns_topic_policy" "this" {
  arn = aws_sns_topic.this.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AlarmsTell"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.this.arn
        Condition = {
          ArnLike = { "aws:SourceArn" = "arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:${var.name}-*" }
        }
      },
      {
        Sid       = "TheRuleOnOurselvesTells"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.this.arn
        Condition = {
          ArnEquals = { "aws:SourceArn" = concat([aws_cloudwatch_event_rule.self.arn], aws_cloudwatch_event_rule.members_self[*].arn) }
        }
      },
      {
        Sid       = "OnlyOverTLS"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.this.arn
        Condition = {
          Bool = { "aws:SecureTransport" = "false" }
        }
      },
    ]
  })
}

resource "aws_sns_topic_subscription" "people" {
  count = var.notification_email == "" ? 0 : 1

  topic_arn = aws_sns_topic.this.arn
  protocol  = var.email_format
  endpoint  = var.notification_email
}

resource "aws_dynamodb_table" "ledger" {
  name                        = var.name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = var.keep_evidence
  tags                        = local.tags

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "S"
  }

  ttl {
    attribute_name = "expires"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  dynamic "server_side_encryption" {
    for_each = var.ledger_key_arn == "" ? [] : [var.ledger_key_arn]

    content {
      enabled     = true
      kms_key_arn = server_side_encryption.value
    }
  }

  lifecycle {
    precondition {
      condition     = !contains(var.key_arns, var.ledger_key_arn)
      error_message = "The ledger's key may not be among key_arns, so that disabling one key does not take both ledger and channels."
    }
  }
}

# ---- Trailwarden itself is a target ----

# It goes to people straight away, past the functions that somebody may just have changed. A pattern longer than 2048 characters
# takes a quota raised, so that what begins with the name is not listed one by one. IAM's events, the kill switch
# among them, come from us-east-1 (aws-cn: cn-north-1, aws-us-gov: us-gov-west-1): modules/forwarder there.
resource "aws_cloudwatch_event_rule" "self" {
  name        = "${var.name}-self"
  description = "Changes to trailwarden itself, straight to people."
  event_pattern = jsonencode({
    source        = [for service in local.own_services : "aws.${service}"]
    "detail-type" = ["AWS API Call via CloudTrail"]
    account       = [local.account]
    detail = {
      eventSource = [for service in local.own_services : "${service}.amazonaws.com"]
      eventName   = [{ "anything-but" = ["CreateLogStream", "AssumeRole"] }]
      "$or" = [
        { requestParameters = { functionName = [{ wildcard = "*${var.name}-react*" }, { wildcard = "*${var.name}-sweep*" }] } },
        { responseElements = { functionArn = [{ wildcard = "*:function:${var.name}-react*" }] } },
        { requestParameters = { name = [var.name, { prefix = "${var.name}-" }] } },
        { requestParameters = { rule = [{ prefix = "${var.name}-" }] } },
        { requestParameters = { queueUrl = [{ suffix = "/${var.name}-events" }, { suffix = "/${var.name}-dead-letters" }] } },
        { requestParameters = { topicArn = [aws_sns_topic.this.arn] } },
        { requestParameters = { subscriptionArn = [{ prefix = aws_sns_topic.this.arn }] } },
        { requestParameters = { tableName = [{ suffix = var.name }] } },
        { requestParameters = { alarmName = [{ prefix = "${var.name}-" }] } },
        { requestParameters = { alarmNames = [{ prefix = "${var.name}-" }] } },
        { requestParameters = { logGroupName = [{ suffix = "/aws/lambda/${var.name}-react" }, { suffix = "/aws/lambda/${var.name}-sweep" }] } },
        { requestParameters = { roleName = [{ prefix = "${var.name}-" }] } },
        { requestParameters = { policyArn = [{ wildcard = "*policy/${var.name}-*" }] } },
      ]
    }
  })
  tags = local.tags
}

locals {
  own_services = ["lambda", "events", "scheduler", "sqs", "sns", "dynamodb", "monitoring", "logs", "iam"]
}

resource "aws_cloudwatch_event_target" "self" {
  rule      = aws_cloudwatch_event_rule.self.name
  target_id = "people"
  arn       = aws_sns_topic.this.arn

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters.arn
  }

  input_transformer {
    input_paths = {
      call    = "$.detail.eventName"
      service = "$.detail.eventSource"
      time    = "$.detail.eventTime"
      who     = "$.detail.userIdentity.arn"
      from    = "$.detail.sourceIPAddress"
      error   = "$.detail.errorCode"
      what    = "$.detail.requestParameters"
      id      = "$.detail.eventID"
    }
    input_template = <<-EOT
      "trailwarden itself was changed: <call> (<service>)"
      ""
      "When: <time>"
      "Who: <who>, from <from>"
      "Refused with (empty when it was not): <error>"
      "What: <what>"
      "CloudTrail event: <id>"
      ""
      "A deployment does this, and so does somebody who wants to stop recording unseen. DetachRolePolicy of the repair"
      "policy is the kill switch: nothing is repaired until it is attached again."
    EOT
  }
}

# ---- The witness in another account ----

resource "aws_cloudwatch_event_rule" "heartbeat" {
  count = local.has_witness ? 1 : 0

  name        = "${var.name}-heartbeat"
  description = "Each sweep that came to its end, to the witness account."
  event_pattern = jsonencode({
    source        = ["lambda"]
    "detail-type" = ["Lambda Function Invocation Result - Success"]
    account       = [local.account]
    resources     = [{ prefix = aws_lambda_function.sweep.arn }]
  })
  tags = local.tags
}

resource "aws_cloudwatch_event_target" "heartbeat" {
  count = local.has_witness ? 1 : 0

  rule      = aws_cloudwatch_event_rule.heartbeat[0].name
  target_id = "witness"
  arn       = var.heartbeat_bus_arn
  role_arn  = aws_iam_role.heartbeat[0].arn
}
