output "topic_arn" {
  description = "Topic that people subscribe to."
  value       = module.trailwarden.topic_arn
}

output "repair_policy_arn" {
  description = "The kill switch."
  value       = module.trailwarden.repair_policy_arn
}
