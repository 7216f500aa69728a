resource "aws_acm_certificate" "this" {
  domain_name               = var.domain
  subject_alternative_names = var.other_names
  validation_method         = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

locals {
  proofs = { for proof in aws_acm_certificate.this.domain_validation_options : proof.domain_name => proof }
}

resource "aws_route53_record" "proof" {
  for_each = toset(concat([var.domain], tolist(var.other_names)))

  zone_id         = var.zone_id
  name            = local.proofs[each.key].resource_record_name
  type            = local.proofs[each.key].resource_record_type
  records         = [local.proofs[each.key].resource_record_value]
  ttl             = 300
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "this" {
  certificate_arn         = aws_acm_certificate.this.arn
  validation_record_fqdns = [for record in aws_route53_record.proof : record.fqdn]
}
