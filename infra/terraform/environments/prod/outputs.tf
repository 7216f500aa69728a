output "platform" {
  description = "What the charts, the secrets and the workflows need to know."
  value       = module.platform
}
