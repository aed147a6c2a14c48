output "rule_arn" {
  description = "Rule that forwards the calls that change trails; null at home."
  value       = one(aws_cloudwatch_event_rule.trail[*].arn)
}

output "dead_letters_url" {
  description = "Queue of the events that could not be forwarded; null at home."
  value       = one(aws_sqs_queue.dead_letters[*].url)
}
