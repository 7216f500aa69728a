output "associations" {
  description = "Service => its service account, its namespace and the role that its pods take."
  value = {
    for service, role in aws_iam_role.service : service => {
      service_account = coalesce(var.services[service].service_account, service)
      namespace       = coalesce(var.services[service].namespace, var.namespace)
      role_arn        = role.arn
    }
  }
}
