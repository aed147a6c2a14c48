output "member_role_arn" {
  description = "Role that the central account reads and repairs with; null where create_roles is false."
  value       = one(aws_iam_role.member[*].arn)
}

output "forward_role_arn" {
  description = "Role that the rules of all Regions send with."
  value       = local.forward_role_arn
}

output "restore_role_arn" {
  description = "Role that puts trails back in full; null when there is none."
  value       = one(aws_iam_role.restore[*].arn)
}

output "rule_arn" {
  description = "Rule that sends the calls that change trails."
  value       = aws_cloudwatch_event_rule.trail.arn
}
