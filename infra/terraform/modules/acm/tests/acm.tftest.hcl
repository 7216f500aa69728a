mock_provider "aws" {
  mock_resource "aws_acm_certificate" {
    defaults = {
      arn = "arn:aws:acm:eu-central-1:111122223333:certificate/00000000-0000-0000-0000-000000000000"
      domain_validation_options = [
        { domain_name = "tasks.example.com", resource_record_name = "_a.tasks.example.com", resource_record_type = "CNAME", resource_record_value = "_x.acm" },
        { domain_name = "console.example.com", resource_record_name = "_b.console.example.com", resource_record_type = "CNAME", resource_record_value = "_y.acm" },
      ]
    }
  }
}

run "proves_every_name" {
  command = apply

  variables {
    domain      = "tasks.example.com"
    other_names = ["console.example.com"]
    zone_id     = "Z0000000000000000000"
  }

  assert {
    condition     = aws_route53_record.proof["console.example.com"].name == "_b.console.example.com"
    error_message = "A name on the certificate has no record that proves it."
  }
  assert {
    condition     = output.certificate_arn == aws_acm_certificate.this.arn
    error_message = "The certificate is handed on before it is valid."
  }
}
