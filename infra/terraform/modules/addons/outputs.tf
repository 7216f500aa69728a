output "names" {
  description = "The add-ons that AWS installs and keeps current."
  value       = sort(concat(keys(aws_eks_addon.this), [aws_eks_addon.volumes.addon_name]))
}
