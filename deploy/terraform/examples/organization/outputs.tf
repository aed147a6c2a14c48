output "central_bus_arn" {
  description = "CentralBusArn of member-role.yaml and member-rules.yaml, for a StackSet."
  value       = module.trailwarden.central_bus_arn
}

output "topic_arn" {
  description = "Topic that people subscribe to."
  value       = module.trailwarden.topic_arn
}
