output "host" {
  description = "The name that clients connect to, with rediss://."
  value       = aws_elasticache_replication_group.this.primary_endpoint_address
}
