output "platform" {
  description = "What the charts, the secrets and the workflows need to know."
  value       = module.platform
}

output "addons" {
  description = "What infra/addons needs to know: terraform output -json addons > addons.json"
  value       = module.platform.addons
}
