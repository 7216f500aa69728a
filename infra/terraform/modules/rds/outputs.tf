output "host" {
  description = "The name that clients connect to, with sslmode=verify-full."
  value       = aws_db_instance.this.address
}

output "arn" {
  description = "The instance."
  value       = aws_db_instance.this.arn
}

output "master_secret_arn" {
  description = "Where AWS keeps and rotates the password of the owner."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}
