# Known before anything is made, as trailwarden decides by it what to make.
output "bus_arn" {
  description = "heartbeat_bus_arn of trailwarden."
  value       = "arn:${local.partition}:events:${local.region}:${local.account}:event-bus/${var.name}-witness"
}

output "topic_arn" {
  description = "Topic of the alarm."
  value       = aws_sns_topic.this.arn
}
