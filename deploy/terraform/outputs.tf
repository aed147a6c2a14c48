output "react_function_arn" {
  description = "Function that answers events."
  value       = aws_lambda_function.react.arn
}

output "sweep_function_arn" {
  description = "Function that looks at every trail on a timer."
  value       = aws_lambda_function.sweep.arn
}

output "react_role_arn" {
  description = "Role of the function that answers events."
  value       = aws_iam_role.react.arn
}

output "sweep_role_arn" {
  description = "Role of the function that sweeps."
  value       = aws_iam_role.sweep.arn
}

output "restore_role_arn" {
  description = "Role that puts trails back in full; null when there is none."
  value       = one(aws_iam_role.restore[*].arn)
}

output "repair_policy_arn" {
  description = "The kill switch: detached, nothing is repaired. Null when mode is observe."
  value       = one(aws_iam_policy.repair[*].arn)
}

output "topic_arn" {
  description = "Topic that people subscribe to."
  value       = aws_sns_topic.this.arn
}

output "queue_url" {
  description = "Queue of the events."
  value       = aws_sqs_queue.events.url
}

output "queue_arn" {
  description = "ARN of the queue of the events."
  value       = aws_sqs_queue.events.arn
}

output "dead_letters_arn" {
  description = "ARN of the queue of the events that could not be handled."
  value       = aws_sqs_queue.dead_letters.arn
}

output "dead_letters_url" {
  description = "Queue of the events that could not be handled."
  value       = aws_sqs_queue.dead_letters.url
}

output "ledger_name" {
  description = "Table of the ledger: trailwarden incidents list --ledger dynamodb://NAME."
  value       = aws_dynamodb_table.ledger.name
}

output "watch_rule_arn" {
  description = "Rule that hands events to the queue."
  value       = aws_cloudwatch_event_rule.watch.arn
}

output "home_bus_arn" {
  description = "Bus that modules/forwarder sends to from other Regions."
  value       = local.home_bus_arn
}

output "central_bus_arn" {
  description = "Bus that modules/member sends to from member accounts; null without organization_id."
  value       = one(aws_cloudwatch_event_bus.members[*].arn)
}

output "dashboard_name" {
  description = "Dashboard in CloudWatch (console, CloudWatch, Dashboards); null when there is none."
  value       = one(aws_cloudwatch_dashboard.this[*].dashboard_name)
}

output "release" {
  description = "Version of trailwarden."
  value       = var.release
}
