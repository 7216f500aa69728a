output "cluster_name" {
  description = "For aws eks update-kubeconfig."
  value       = module.eks.name
}

output "database_host" {
  description = "For the addresses in the secrets."
  value       = module.rds.host
}

output "database_arn" {
  description = "For copies of its backups in another region."
  value       = module.rds.arn
}

output "database_owner_secret_arn" {
  description = "Where AWS keeps and rotates the password of tidewheel_owner."
  value       = module.rds.master_secret_arn
}

output "redis_host" {
  description = "For the addresses in the secrets; null when Redis runs in the cluster."
  value       = one(module.redis[*].host)
}

output "certificate_arn" {
  description = "For the load balancer in front of the gateway and the console."
  value       = module.acm.certificate_arn
}

output "image_repositories" {
  description = "Service => address to push to."
  value       = module.ecr.urls
}

output "github_role_arns" {
  description = "For the variables of the GitHub environment."
  value       = module.github.role_arns
}

output "buckets" {
  description = "Purpose => name."
  value       = module.s3.names
}

output "addons" {
  description = "What infra/addons needs to know of this side, as JSON for the file or the variable ADDONS."
  value = {
    cluster     = module.eks.name
    environment = var.environment
    region      = var.region
    certificate = module.acm.certificate_arn
    volumes_key = var.encrypt_at_rest ? module.kms.arns["volumes"] : ""
    secrets     = var.name
    traces      = module.s3.names["traces"]
  }
}
