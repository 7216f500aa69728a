output "arns" {
  description = "Purpose => ARN of its bucket."
  value       = { for purpose, bucket in aws_s3_bucket.this : purpose => bucket.arn }
}

output "names" {
  description = "Purpose => name of its bucket."
  value       = { for purpose, bucket in aws_s3_bucket.this : purpose => bucket.bucket }
}
