output "associations" {
  description = "Service account => its namespace and the role that its pods take."
  value = {
    for service, role in aws_iam_role.service :
    service => { namespace = coalesce(var.services[service].namespace, var.namespace), role_arn = role.arn }
  }
}
