locals {
  usage = ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]

  administration = {
    Sid       = "AccountPoliciesDecide"
    Effect    = "Allow"
    Principal = { AWS = "arn:aws:iam::${var.account_id}:root" }
    Action    = "kms:*"
    Resource  = "*"
  }
}

resource "aws_kms_key" "this" {
  for_each = var.purposes

  description             = "${var.name} ${each.key}"
  enable_key_rotation     = true
  deletion_window_in_days = 30

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [local.administration],
      length(each.value.log_services) == 0 ? [] : [{
        Sid       = "LogGroupsOfThisAccount"
        Effect    = "Allow"
        Principal = { Service = each.value.log_services }
        Action    = local.usage
        Resource  = "*"
        Condition = {
          ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:aws:logs:*:${var.account_id}:log-group:*" }
        }
      }],
      # Auto Scaling's own role has no policy of ours, and starts the nodes: it needs the key of their volumes.
      length(each.value.via) == 0 ? [] : [{
        Sid       = "ThroughTheseServices"
        Effect    = "Allow"
        Principal = { AWS = "*" }
        Action    = concat(local.usage, ["kms:CreateGrant"])
        Resource  = "*"
        Condition = {
          StringEquals = { "kms:CallerAccount" = var.account_id, "kms:ViaService" = each.value.via }
        }
      }],
    )
  })
}

resource "aws_kms_alias" "this" {
  for_each = var.purposes

  name          = "alias/${var.name}-${each.key}"
  target_key_id = aws_kms_key.this[each.key].key_id
}

resource "terraform_data" "keep" {
  for_each = var.keep ? var.purposes : {}

  triggers_replace = aws_kms_key.this[each.key].id

  lifecycle {
    prevent_destroy = true
  }
}
