output "id" {
  description = "The network."
  value       = aws_vpc.this.id
}

output "cidr" {
  description = "Its addresses."
  value       = aws_vpc.this.cidr_block
}

output "private_subnet_ids" {
  description = "The subnets without public addresses, one for each zone."
  value       = [for zone in var.zones : aws_subnet.private[zone].id]
}

output "public_subnet_ids" {
  description = "The subnets of load balancers and NAT gateways, one for each zone."
  value       = [for zone in var.zones : aws_subnet.public[zone].id]
}
