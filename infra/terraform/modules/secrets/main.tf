resource "aws_secretsmanager_secret" "this" {
  for_each = var.secrets

  name                    = "${var.name}/${each.key}"
  description             = each.value
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.keep ? 30 : 0
}

resource "terraform_data" "keep" {
  for_each = var.keep ? var.secrets : {}

  triggers_replace = aws_secretsmanager_secret.this[each.key].id

  lifecycle {
    prevent_destroy = true
  }
}
