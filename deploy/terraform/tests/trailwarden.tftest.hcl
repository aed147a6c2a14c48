# No AWS: what the variables take, what is there by default, and what each option adds. What exactly is made is held against
# the CloudFormation templates by internal/deploy.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_region" {
    defaults = { id = "eu-central-1" }
  }

  mock_data "aws_lambda_function" {
    defaults = { code_sha256 = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB=" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/mock" }
  }

  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::111122223333:policy/mock" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-central-1:111122223333:mock" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:111122223333:mock" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-central-1:111122223333:function:mock" }
  }

  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws:events:eu-central-1:111122223333:rule/mock" }
  }
}

variables {
  artifact_bucket  = "trailwarden-artifacts"
  artifact_key     = "trailwarden.zip"
  artifact_version = "v1"
  artifact_sha256  = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
}

run "defaults" {
  command = plan

  assert {
    condition     = length(aws_sns_topic_subscription.people) == 0 && length(aws_iam_policy.repair) == 1 && length(aws_iam_role.restore) == 0
    error_message = "It begins with repairs by StartLogging, and with nobody subscribed."
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this) == 11 && length(aws_cloudwatch_dashboard.this) == 1
    error_message = "Alarms and dashboard are there unless switched off."
  }

  assert {
    condition     = length(aws_cloudwatch_event_bus.members) == 0 && length(aws_cloudwatch_event_rule.heartbeat) == 0
    error_message = "Organization and witness are there only when asked for."
  }

  assert {
    condition     = aws_dynamodb_table.ledger.deletion_protection_enabled && aws_cloudwatch_log_group.react.skip_destroy && aws_cloudwatch_log_group.sweep.skip_destroy
    error_message = "Evidence is protected."
  }

  assert {
    condition     = output.restore_role_arn == null && output.central_bus_arn == null && output.home_bus_arn == "arn:aws:events:eu-central-1:111122223333:event-bus/default"
    error_message = "Outputs of what is not there are null."
  }
}

run "options" {
  command = plan

  variables {
    name                = "guard"
    notification_email  = "security@example.com"
    restore_trail_arns  = ["arn:aws:cloudtrail:eu-central-1:111122223333:trail/main"]
    organization_id     = "o-exampleorg1"
    member_accounts     = ["444455556666"]
    heartbeat_bus_arn   = "arn:aws:events:eu-west-1:999999999999:event-bus/guard-witness"
    enable_alarms       = false
    enable_dashboard    = false
    keep_evidence       = false
    maximum_concurrency = 2
    tags                = { team = "security" }
  }

  assert {
    condition     = length(aws_iam_role.restore) == 1 && length(aws_cloudwatch_event_bus.members) == 1 && length(aws_cloudwatch_event_rule.heartbeat) == 1 && length(aws_sns_topic_subscription.people) == 1
    error_message = "Each option adds its part."
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this) == 0 && length(aws_cloudwatch_dashboard.this) == 0
    error_message = "Alarms and dashboard can be left out."
  }

  assert {
    condition     = !aws_dynamodb_table.ledger.deletion_protection_enabled && aws_lambda_function.react.function_name == "guard-react"
    error_message = "Without evidence to keep nothing is protected; everything has the name."
  }

  assert {
    condition     = aws_lambda_function.sweep.tags == tomap({ app = "guard", team = "security" })
    error_message = "Everything has the tags."
  }
}

run "configured" {
  command = plan

  variables {
    config              = "trailwarden.config.json"
    secret_arns         = ["arn:aws:secretsmanager:eu-central-1:111122223333:secret:trailwarden/slack-??????"]
    key_arns            = ["arn:aws:kms:eu-central-1:111122223333:key/secrets"]
    event_bus_arn       = "arn:aws:events:eu-central-1:111122223333:event-bus/security"
    security_hub        = true
    chat_topic_arn      = "arn:aws:sns:eu-central-1:111122223333:chat"
    evidence_bucket     = "trailwarden-evidence"
    anchor_bucket       = "trailwarden-anchors"
    anchor_bucket_owner = "999999999999"
  }

  assert {
    condition = {
      for name in ["CONFIG", "NOTIFY_EVENTBRIDGE_BUS", "NOTIFY_SECURITYHUB", "NOTIFY_AMAZONQ_TOPIC_ARN", "EVIDENCE_BUCKET", "EVIDENCE_BUCKET_OWNER", "ANCHOR_BUCKET", "ANCHOR_BUCKET_OWNER"] :
      name => aws_lambda_function.react.environment[0].variables["TRAILWARDEN_${name}"]
      } == {
      CONFIG                   = "trailwarden.config.json"
      NOTIFY_EVENTBRIDGE_BUS   = "arn:aws:events:eu-central-1:111122223333:event-bus/security"
      NOTIFY_SECURITYHUB       = "true"
      NOTIFY_AMAZONQ_TOPIC_ARN = "arn:aws:sns:eu-central-1:111122223333:chat"
      EVIDENCE_BUCKET          = "trailwarden-evidence"
      EVIDENCE_BUCKET_OWNER    = "111122223333"
      ANCHOR_BUCKET            = "trailwarden-anchors"
      ANCHOR_BUCKET_OWNER      = "999999999999"
    }
    error_message = "What is named reaches the functions; a bucket is this account's unless somebody says whose it is."
  }
}

run "observing_changes_nothing" {
  command = plan

  variables {
    mode               = "observe"
    restore_trail_arns = ["arn:aws:cloudtrail:eu-central-1:111122223333:trail/main"]
  }

  assert {
    condition     = length(aws_iam_policy.repair) == 0 && length(aws_iam_role.restore) == 0 && output.repair_policy_arn == null
    error_message = "Whoever only observes may start nothing."
  }
}

run "refused" {
  command = plan

  variables {
    name                     = "Trailwarden"
    notification_email       = "security at example"
    email_format             = "sms"
    mode                     = "destroy"
    artifact_sha256          = "abc"
    restore_trail_arns       = ["main"]
    restore_log_role_arns    = ["logs"]
    member_accounts          = ["4444"]
    organization_id          = "example"
    sweep_schedule           = "cron(* * * * ? *)"
    maximum_concurrency      = 1
    log_retention_days       = 31
    topic_key_arn            = "alias/topic"
    permissions_boundary_arn = "limits"
    config                   = "../trailwarden.config.json"
    secret_arns              = ["trailwarden/slack"]
    key_arns                 = ["arn:aws:kms:eu-central-1:111122223333:alias/secrets"]
    event_bus_arn            = "security"
    chat_topic_arn           = "chat"
    evidence_bucket          = "s3://evidence"
    evidence_bucket_owner    = "me"
    anchor_bucket            = "Anchors"
    anchor_bucket_owner      = "9999"
  }

  expect_failures = [
    var.name, var.notification_email, var.email_format, var.mode, var.artifact_sha256, var.restore_trail_arns, var.restore_log_role_arns,
    var.member_accounts, var.organization_id, var.sweep_schedule, var.maximum_concurrency, var.log_retention_days, var.topic_key_arn,
    var.permissions_boundary_arn, var.config, var.secret_arns, var.key_arns, var.event_bus_arn, var.chat_topic_arn, var.evidence_bucket,
    var.evidence_bucket_owner, var.anchor_bucket, var.anchor_bucket_owner,
  ]
}

run "keys_are_not_shared" {
  command = plan

  variables {
    topic_key_arn  = "arn:aws:kms:eu-central-1:111122223333:key/a"
    ledger_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/a"
  }

  expect_failures = [aws_sns_topic.this]
}

run "keys_are_not_among_those_of_channels" {
  command = plan

  variables {
    topic_key_arn  = "arn:aws:kms:eu-central-1:111122223333:key/a"
    ledger_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/b"
    key_arns       = ["arn:aws:kms:eu-central-1:111122223333:key/a", "arn:aws:kms:eu-central-1:111122223333:key/b"]
  }

  expect_failures = [aws_sns_topic.this, aws_dynamodb_table.ledger]
}

# The mocked function runs another zip than artifact_sha256 says.
run "another_zip_is_refused" {
  expect_failures = [data.aws_lambda_function.react, data.aws_lambda_function.sweep]
}

run "nothing_is_forwarded_at_home" {
  command = plan

  module {
    source = "./modules/forwarder"
  }

  variables {
    home_region = "eu-central-1"
  }

  assert {
    condition     = output.rule_arn == null && length(aws_cloudwatch_event_rule.trail) == 0
    error_message = "A bus that forwards to itself never ends."
  }
}

run "roles_of_a_member_are_there_once" {
  command = plan

  module {
    source = "./modules/member"
  }

  variables {
    central_account_id = "111122223333"
    central_bus_arn    = "arn:aws:events:eu-central-1:111122223333:event-bus/trailwarden"
    organization_id    = "o-exampleorg1"
    create_roles       = false
  }

  assert {
    condition     = output.member_role_arn == null && length(aws_iam_role.forward) == 0 && aws_cloudwatch_event_target.trail.role_arn == "arn:aws:iam::111122223333:role/trailwarden-forward"
    error_message = "Rules of a further Region send with the role that is there."
  }
}

run "silence_has_an_address" {
  command = plan

  module {
    source = "./modules/witness"
  }

  variables {
    watched_account_id = "1111"
    watched_region     = "Frankfurt"
    notification_email = ""
    minutes_of_silence = 1
  }

  expect_failures = [var.watched_account_id, var.watched_region, var.notification_email, var.minutes_of_silence]
}
