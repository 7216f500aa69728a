output "name" {
  description = "The cluster, once it has nodes."
  value       = aws_eks_cluster.this.name
  depends_on  = [aws_eks_node_group.this]
}

output "arn" {
  description = "The cluster."
  value       = aws_eks_cluster.this.arn
}

output "node_security_group_id" {
  description = "What nodes and pods connect from."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}

output "namespaces" {
  description = "Name => the namespaces that its access is limited to; none: the whole cluster."
  value       = { for name, one in aws_eks_access_policy_association.this : name => one.access_scope[0].namespaces }
}
