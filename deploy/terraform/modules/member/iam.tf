# What each action is for: docs/permissions.md.

locals {
  roles            = var.create_roles ? 1 : 0
  repairs          = var.create_roles && var.mode == "repair"
  restores         = local.repairs && length(var.restore_trail_arns) > 0
  boundary_arn     = var.permissions_boundary_arn == "" ? null : var.permissions_boundary_arn
  trail_arns       = "arn:${local.partition}:cloudtrail:*:${local.account}:trail/*"
  restore_role_arn = "arn:${local.partition}:iam::${local.account}:role/${var.name}-restore"
}

# The account and a condition on the role, not the role itself: a principal that is made anew has another id.
resource "aws_iam_role" "member" {
  count = local.roles

  name                 = "${var.name}-member"
  description          = "trailwarden in the central account reads trails here, and starts stopped ones through the policy that is the kill switch."
  permissions_boundary = local.boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = "arn:${local.partition}:iam::${var.central_account_id}:root" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:PrincipalOrgID" = var.organization_id }
        ArnEquals = {
          "aws:PrincipalArn" = [
            "arn:${local.partition}:iam::${var.central_account_id}:role/${var.name}-react",
            "arn:${local.partition}:iam::${var.central_account_id}:role/${var.name}-sweep",
          ]
        }
      }
    }]
  })
  tags = local.tags
}

resource "aws_iam_role_policy" "member" {
  count = local.roles

  name = "watch"
  role = aws_iam_role.member[0].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
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
        Sid    = "ListTrailsAndHistory"
        Effect = "Allow"
        Action = [
          "cloudtrail:ListTrails", "cloudtrail:LookupEvents", "ec2:DescribeRegions", "organizations:DescribeOrganization",
          "organizations:ListDelegatedAdministrators",
        ]
        Resource = "*"
      },
      {
        Sid      = "NeverLess"
        Effect   = "Deny"
        Action   = ["cloudtrail:StopLogging", "cloudtrail:DeleteTrail"]
        Resource = "*"
      },
    ]
  })
}

# The kill switch of this account.
resource "aws_iam_policy" "repair" {
  count = local.repairs ? 1 : 0

  name        = "${var.name}-repair"
  description = "Lets trailwarden start stopped trails of this account. Detaching it is the kill switch."
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

resource "aws_iam_role_policy_attachment" "repair" {
  count = local.repairs ? 1 : 0

  role       = aws_iam_role.member[0].name
  policy_arn = aws_iam_policy.repair[0].arn
}

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
        ArnEquals = { "aws:PrincipalArn" = aws_iam_role.member[0].arn }
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

resource "aws_iam_role" "forward" {
  count = local.roles

  name                 = "${var.name}-forward"
  description          = "EventBridge sends events to the central account with it, from every Region."
  permissions_boundary = local.boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:events:*:${local.account}:rule/${var.name}-member*" }
      }
    }]
  })
  tags = local.tags
}

resource "aws_iam_role_policy" "forward" {
  count = local.roles

  name = "send"
  role = aws_iam_role.forward[0].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "SendToCentralBus"
      Effect   = "Allow"
      Action   = "events:PutEvents"
      Resource = var.central_bus_arn
    }]
  })
}
