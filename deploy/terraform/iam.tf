# What each action is for: docs/permissions.md.

locals {
  restore_role_arn = "arn:${local.partition}:iam::${local.account}:role/${var.name}-restore"
  boundary_arn     = var.permissions_boundary_arn == "" ? aws_iam_policy.boundary.arn : var.permissions_boundary_arn
  trail_arns       = "arn:${local.partition}:cloudtrail:*:${local.account}:trail/*"

  lambda_trust = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
      }
    }]
  })
}

# ---- The function that reacts ----

resource "aws_iam_role" "react" {
  name                 = "${var.name}-react"
  description          = "trailwarden's function that answers events."
  permissions_boundary = local.boundary_arn
  assume_role_policy   = local.lambda_trust
  tags                 = local.tags
}

resource "aws_iam_role_policy" "react" {
  name = "queue-and-log"
  role = aws_iam_role.react.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "TakeEvents"
        Effect   = "Allow"
        Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
        Resource = aws_sqs_queue.events.arn
      },
      {
        Sid      = "WriteLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/aws/lambda/${var.name}-react:*"
      },
    ]
  })
}

resource "aws_iam_role_policy_attachment" "react_watch" {
  role       = aws_iam_role.react.name
  policy_arn = aws_iam_policy.watch.arn
}

resource "aws_iam_role_policy_attachment" "react_self" {
  role       = aws_iam_role.react.name
  policy_arn = aws_iam_policy.self.arn
}

resource "aws_iam_role_policy_attachment" "react_repair" {
  count = local.repairs ? 1 : 0

  role       = aws_iam_role.react.name
  policy_arn = aws_iam_policy.repair[0].arn
}

# ---- The function that sweeps ----

resource "aws_iam_role" "sweep" {
  name                 = "${var.name}-sweep"
  description          = "trailwarden's function that sweeps."
  permissions_boundary = local.boundary_arn
  assume_role_policy   = local.lambda_trust
  tags                 = local.tags
}

resource "aws_iam_role_policy" "sweep" {
  name = "sweep"
  role = aws_iam_role.sweep.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid      = "WriteLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/aws/lambda/${var.name}-sweep:*"
      },
      ], local.has_witness ? [
      {
        Sid      = "SendHeartbeat"
        Effect   = "Allow"
        Action   = "events:PutEvents"
        Resource = local.home_bus_arn
      },
      ] : [], var.anchor_bucket == "" ? [] : [
      {
        Sid      = "AnchorLedger"
        Effect   = "Allow"
        Action   = ["s3:PutObject", "s3:PutObjectRetention"]
        Resource = "arn:${local.partition}:s3:::${var.anchor_bucket}/trailwarden/anchors/*"
      },
    ])
  })
}

resource "aws_iam_role_policy_attachment" "sweep_watch" {
  role       = aws_iam_role.sweep.name
  policy_arn = aws_iam_policy.watch.arn
}

resource "aws_iam_role_policy_attachment" "sweep_self" {
  role       = aws_iam_role.sweep.name
  policy_arn = aws_iam_policy.self.arn
}

resource "aws_iam_role_policy_attachment" "sweep_repair" {
  count = local.repairs ? 1 : 0

  role       = aws_iam_role.sweep.name
  policy_arn = aws_iam_policy.repair[0].arn
}

resource "aws_iam_role" "timer" {
  name                 = "${var.name}-timer"
  description          = "EventBridge Scheduler starts trailwarden's sweep with it."
  permissions_boundary = local.boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
      }
    }]
  })
  tags = local.tags
}

resource "aws_iam_role_policy" "timer" {
  name = "invoke"
  role = aws_iam_role.timer.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "StartTheSweep"
      Effect   = "Allow"
      Action   = "lambda:InvokeFunction"
      Resource = aws_lambda_function.sweep.arn
    }]
  })
}

# ---- What both functions need to watch and to tell. It stays when repairs are switched off. ----

resource "aws_iam_policy" "watch" {
  name        = "${var.name}-watch"
  description = "trailwarden watches trails, keeps its ledger and tells people. Nothing here changes a trail."
  tags        = local.tags
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid    = "ReadTrails"
        Effect = "Allow"
        Action = [
          "cloudtrail:GetTrail", "cloudtrail:GetTrailStatus", "cloudtrail:GetEventSelectors", "cloudtrail:GetInsightSelectors",
          "cloudtrail:GetEventConfiguration", "cloudtrail:ListTags",
        ]
        Resource = local.trail_arns
      },
      {
        Sid    = "ListTrailsAndHistory" # these know no resources
        Effect = "Allow"
        Action = [
          "cloudtrail:ListTrails", "cloudtrail:LookupEvents", "ec2:DescribeRegions", "organizations:DescribeOrganization",
          "organizations:ListDelegatedAdministrators",
        ]
        Resource = "*"
      },
      {
        Sid      = "Tell"
        Effect   = "Allow"
        Action   = ["sns:Publish", "sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic"]
        Resource = aws_sns_topic.this.arn
      },
      {
        Sid    = "KeepLedger"
        Effect = "Allow"
        Action = [
          "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:Query",
          "dynamodb:ConditionCheckItem",
        ]
        Resource = aws_dynamodb_table.ledger.arn
      },
      ], var.topic_key_arn == "" ? [] : [
      {
        Sid      = "EncryptMessages"
        Effect   = "Allow"
        Action   = ["kms:GenerateDataKey", "kms:Decrypt"]
        Resource = var.topic_key_arn
        Condition = {
          StringLike = { "kms:ViaService" = "sns.${local.region}.*" }
        }
      },
      ], var.ledger_key_arn == "" ? [] : [
      {
        Sid      = "EncryptLedger"
        Effect   = "Allow"
        Action   = ["kms:DescribeKey", "kms:Decrypt"]
        Resource = var.ledger_key_arn
        Condition = {
          StringLike = { "kms:ViaService" = "dynamodb.${local.region}.*" }
        }
      },
      ], local.has_members ? [
      {
        Sid      = "ReachMembers"
        Effect   = "Allow"
        Action   = "sts:AssumeRole"
        Resource = "arn:${local.partition}:iam::*:role/${var.name}-member"
        Condition = {
          StringEquals = { "aws:ResourceOrgID" = var.organization_id }
        }
      },
      # What variables name beyond trailwarden itself: each statement is there with its variable only.
      ] : [], length(var.secret_arns) == 0 ? [] : [
      {
        Sid      = "ReadSecrets"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue", "ssm:GetParameter"]
        Resource = var.secret_arns
      },
      ], length(var.key_arns) == 0 ? [] : [
      {
        Sid      = "DecryptWithKeys"
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = var.key_arns
        Condition = {
          StringLike = { "kms:ViaService" = ["secretsmanager.*", "ssm.*", "s3.*", "sns.*"] }
        }
      },
      {
        Sid      = "EncryptWithKeys"
        Effect   = "Allow"
        Action   = ["kms:GenerateDataKey"]
        Resource = var.key_arns
        Condition = {
          StringLike = { "kms:ViaService" = ["s3.*", "sns.*"] }
        }
      },
      ], var.event_bus_arn == "" ? [] : [
      {
        Sid      = "PutIncidentsOnBus"
        Effect   = "Allow"
        Action   = ["events:PutEvents", "events:DescribeEventBus"]
        Resource = var.event_bus_arn
      },
      ], var.security_hub ? [
      {
        Sid    = "TellSecurityHub"
        Effect = "Allow"
        Action = ["securityhub:BatchImportFindings", "securityhub:BatchUpdateFindings", "securityhub:DescribeHub"]
        Resource = [
          "arn:${local.partition}:securityhub:${local.region}:${local.account}:product/${local.account}/default",
          "arn:${local.partition}:securityhub:${local.region}:${local.account}:hub/default",
        ]
      },
      ] : [], var.chat_topic_arn == "" ? [] : [
      {
        Sid      = "TellChat"
        Effect   = "Allow"
        Action   = ["sns:Publish", "sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic"]
        Resource = var.chat_topic_arn
      },
      ], var.evidence_bucket == "" ? [] : [
      {
        Sid      = "KeepEvidence"
        Effect   = "Allow"
        Action   = ["s3:PutObject", "s3:GetObject"]
        Resource = "arn:${local.partition}:s3:::${var.evidence_bucket}/evidence/*"
      },
      ], [
      {
        Sid      = "NeverForget"
        Effect   = "Deny"
        Action   = "dynamodb:DeleteItem"
        Resource = aws_dynamodb_table.ledger.arn
        Condition = {
          "ForAnyValue:StringLike" = { "dynamodb:LeadingKeys" = ["entries/*", "incident/*", "heads", "blob*"] }
        }
      },
      {
        Sid    = "Never"
        Effect = "Deny"
        Action = [
          "cloudtrail:StopLogging", "cloudtrail:DeleteTrail", "cloudtrail:DeregisterOrganizationDelegatedAdmin",
          "s3:DeleteObject*", "s3:DeleteBucket*", "s3:BypassGovernanceRetention", "kms:DisableKey", "kms:ScheduleKeyDeletion",
          "kms:CreateGrant", "iam:Add*", "iam:Attach*", "iam:Create*", "iam:Delete*", "iam:Detach*", "iam:Put*", "iam:Remove*",
          "iam:Set*", "iam:Update*", "lambda:Add*", "lambda:Create*", "lambda:Delete*", "lambda:Put*", "lambda:Remove*",
          "lambda:Update*", "events:Delete*", "events:Disable*", "events:PutRule", "events:PutTargets", "events:Remove*",
          "scheduler:Delete*", "scheduler:Update*", "sqs:DeleteQueue", "sqs:PurgeQueue", "sqs:SetQueueAttributes", "sqs:AddPermission", "sqs:RemovePermission",
          "sns:DeleteTopic", "sns:SetTopicAttributes", "sns:Unsubscribe", "dynamodb:BatchWriteItem", "dynamodb:DeleteTable",
          "dynamodb:UpdateTable", "dynamodb:UpdateContinuousBackups", "logs:Delete*", "logs:PutRetentionPolicy",
        ]
        Resource = "*"
      },
    ])
  })
}

# ---- Both functions look whether what was deployed is as it was, each at the other ----

resource "aws_iam_policy" "self" {
  name        = "${var.name}-self"
  description = "trailwarden looks whether it is as it was deployed. Nothing here changes anything."
  tags        = local.tags
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "LookAtOwnFunctions"
        Effect = "Allow"
        Action = ["lambda:GetFunctionConfiguration", "lambda:GetFunctionConcurrency"]
        Resource = [
          "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${var.name}-react",
          "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${var.name}-sweep",
        ]
      },
      {
        Sid      = "LookAtOwnMapping"
        Effect   = "Allow"
        Action   = "lambda:ListEventSourceMappings"
        Resource = "*"
      },
      {
        Sid      = "LookAtOwnRule"
        Effect   = "Allow"
        Action   = ["events:DescribeRule", "events:ListTargetsByRule"]
        Resource = aws_cloudwatch_event_rule.watch.arn
      },
      {
        Sid    = "LookAtOwnRoles"
        Effect = "Allow"
        Action = "iam:ListAttachedRolePolicies"
        Resource = [
          "arn:${local.partition}:iam::${local.account}:role/${var.name}-react",
          "arn:${local.partition}:iam::${local.account}:role/${var.name}-sweep",
        ]
      },
      {
        Sid      = "LookAtOwnTimer"
        Effect   = "Allow"
        Action   = "scheduler:GetSchedule"
        Resource = "arn:${local.partition}:scheduler:${local.region}:${local.account}:schedule/${var.name}/${var.name}-sweep"
      },
      {
        Sid      = "LookAtOwnQueue"
        Effect   = "Allow"
        Action   = "sqs:GetQueueAttributes"
        Resource = aws_sqs_queue.events.arn
      },
    ]
  })
}

# The kill switch. Detach it from both roles, and every repair stops at once while watching and telling go on. An apply
# attaches it again: README, "The kill switch".
resource "aws_iam_policy" "repair" {
  count = local.repairs ? 1 : 0

  name        = "${var.name}-repair"
  description = "Lets trailwarden start stopped trails. Detaching it is the kill switch."
  tags        = local.tags
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid      = "StartStoppedTrails"
        Effect   = "Allow"
        Action   = "cloudtrail:StartLogging"
        Resource = local.trail_arns
      },
      ], local.restores ? [
      {
        Sid      = "BecomeRestore"
        Effect   = "Allow"
        Action   = "sts:AssumeRole"
        Resource = local.restore_role_arn
      },
    ] : [])
  })
}

# ---- Everything but StartLogging ----

# Each use is narrowed by a session policy to one trail. The trust names the roles by condition, so that it holds when they
# are made anew.
resource "aws_iam_role" "restore" {
  count = local.restores ? 1 : 0

  name                 = "${var.name}-restore"
  description          = "trailwarden puts the named trails back as they are pinned. Assumed with a session policy for one trail."
  permissions_boundary = local.boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = "arn:${local.partition}:iam::${local.account}:root" }
      Action    = "sts:AssumeRole"
      Condition = {
        ArnEquals = { "aws:PrincipalArn" = [aws_iam_role.react.arn, aws_iam_role.sweep.arn] }
      }
    }]
  })
  tags = local.tags
}

resource "aws_iam_role_policy" "restore" {
  count = local.restores ? 1 : 0

  name = "restore"
  role = aws_iam_role.restore[0].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid      = "PutBackSettings"
        Effect   = "Allow"
        Action   = "cloudtrail:UpdateTrail"
        Resource = var.restore_trail_arns
      },
      {
        Sid      = "Recreate"
        Effect   = "Allow"
        Action   = "cloudtrail:CreateTrail"
        Resource = var.restore_trail_arns
      },
      {
        Sid      = "PutBackSelectors"
        Effect   = "Allow"
        Action   = "cloudtrail:PutEventSelectors"
        Resource = var.restore_trail_arns
      },
      {
        Sid      = "PutBackInsights"
        Effect   = "Allow"
        Action   = "cloudtrail:PutInsightSelectors"
        Resource = var.restore_trail_arns
      },
      {
        Sid      = "PutBackEventConfiguration"
        Effect   = "Allow"
        Action   = "cloudtrail:PutEventConfiguration"
        Resource = var.restore_trail_arns
      },
      {
        Sid      = "PutBackTags"
        Effect   = "Allow"
        Action   = ["cloudtrail:AddTags", "cloudtrail:RemoveTags"]
        Resource = var.restore_trail_arns
      },
      ], length(var.restore_log_role_arns) == 0 ? [] : [
      {
        Sid      = "PutBackLogDelivery"
        Effect   = "Allow"
        Action   = "iam:PassRole"
        Resource = var.restore_log_role_arns
        Condition = {
          StringEquals = { "iam:PassedToService" = "cloudtrail.amazonaws.com" }
        }
      },
      ], [
      {
        Sid      = "NeverLess"
        Effect   = "Deny"
        Action   = ["cloudtrail:StopLogging", "cloudtrail:DeleteTrail"]
        Resource = "*"
      },
    ])
  })
}

# ---- The most that any of these roles can ever do, whatever somebody attaches to it ----

resource "aws_iam_policy" "boundary" {
  name        = "${var.name}-boundary"
  description = "The most that trailwarden's roles can ever do."
  tags        = local.tags
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "AtMost"
        Effect = "Allow"
        Action = [
          "cloudtrail:AddTags", "cloudtrail:CreateTrail", "cloudtrail:GetEventConfiguration", "cloudtrail:GetEventSelectors",
          "cloudtrail:GetInsightSelectors", "cloudtrail:GetTrail", "cloudtrail:GetTrailStatus", "cloudtrail:ListTags",
          "cloudtrail:ListTrails", "cloudtrail:LookupEvents", "cloudtrail:PutEventConfiguration",
          "cloudtrail:PutEventSelectors", "cloudtrail:PutInsightSelectors", "cloudtrail:RemoveTags", "cloudtrail:StartLogging",
          "cloudtrail:UpdateTrail", "dynamodb:BatchGetItem", "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem",
          "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "ec2:DescribeRegions", "events:DescribeEventBus",
          "events:DescribeRule", "events:ListTargetsByRule", "events:PutEvents", "iam:ListAttachedRolePolicies", "kms:Decrypt",
          "kms:DescribeKey", "kms:GenerateDataKey", "lambda:GetFunctionConcurrency", "lambda:GetFunctionConfiguration",
          "lambda:InvokeFunction", "lambda:ListEventSourceMappings", "logs:CreateLogStream", "logs:PutLogEvents",
          "organizations:DescribeOrganization", "organizations:ListDelegatedAdministrators", "s3:GetObject", "s3:PutObject",
          "s3:PutObjectRetention", "scheduler:GetSchedule", "secretsmanager:GetSecretValue", "securityhub:BatchImportFindings",
          "securityhub:BatchUpdateFindings", "securityhub:DescribeHub", "sns:GetTopicAttributes",
          "sns:ListSubscriptionsByTopic", "sns:Publish", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage",
          "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "ssm:GetParameter", "sts:AssumeRole",
        ]
        Resource = "*"
      },
      {
        Sid      = "PassToCloudTrailOnly"
        Effect   = "Allow"
        Action   = "iam:PassRole"
        Resource = "*"
        Condition = {
          StringEquals = { "iam:PassedToService" = "cloudtrail.amazonaws.com" }
        }
      },
    ]
  })
}

# ---- The witness in another account ----

resource "aws_iam_role" "heartbeat" {
  count = local.has_witness ? 1 : 0

  name                 = "${var.name}-heartbeat"
  description          = "EventBridge sends trailwarden's heartbeat to the witness account with it."
  permissions_boundary = local.boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnEquals    = { "aws:SourceArn" = "arn:${local.partition}:events:${local.region}:${local.account}:rule/${var.name}-heartbeat" }
      }
    }]
  })
  tags = local.tags
}

resource "aws_iam_role_policy" "heartbeat" {
  count = local.has_witness ? 1 : 0

  name = "send"
  role = aws_iam_role.heartbeat[0].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "SendHeartbeatToWitness"
      Effect   = "Allow"
      Action   = "events:PutEvents"
      Resource = var.heartbeat_bus_arn
    }]
  })
}
