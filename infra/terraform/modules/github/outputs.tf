output "role_arns" {
  description = "plan, apply, push, deploy and cluster => ARN of the role, for the variables of the GitHub environment."
  value       = { for purpose, role in aws_iam_role.this : purpose => role.arn }
}
