output "arns" {
  description = "Service => ARN of its repository."
  value       = { for service, repository in aws_ecr_repository.this : service => repository.arn }
}

output "urls" {
  description = "Service => address to push to."
  value       = { for service, repository in aws_ecr_repository.this : service => repository.repository_url }
}
