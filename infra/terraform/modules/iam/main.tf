locals {
  reads  = { for service, needs in var.services : service => needs if length(needs.reads_secrets) > 0 }
  writes = { for service, needs in var.services : service => needs if length(needs.writes_buckets) > 0 }
  owns   = { for service, needs in var.services : service => needs if length(needs.owns_buckets) > 0 }
}

resource "aws_iam_role" "service" {
  for_each = var.services

  name        = "${var.name}-${each.key}"
  description = "What the pods of ${each.key} may do in AWS."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Condition = {
        StringEquals = {
          "aws:SourceAccount"                         = var.account_id
          "aws:RequestTag/kubernetes-namespace"       = coalesce(each.value.namespace, var.namespace)
          "aws:RequestTag/kubernetes-service-account" = coalesce(each.value.service_account, each.key)
        }
        ArnEquals = { "aws:SourceArn" = var.cluster_arn }
      }
    }]
  })
}

resource "aws_iam_role_policy" "secrets" {
  for_each = local.reads

  name = "secrets"
  role = aws_iam_role.service[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
        Resource = each.value.reads_secrets
      },
      {
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = var.kms_key_arn
        Condition = { StringLike = { "kms:ViaService" = "secretsmanager.*.amazonaws.com" } }
      },
    ]
  })
}

resource "aws_iam_role_policy" "buckets" {
  for_each = local.writes

  name = "buckets"
  role = aws_iam_role.service[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["s3:PutObject", "s3:AbortMultipartUpload"]
        Resource = [for bucket in each.value.writes_buckets : "${bucket}/*"]
      },
      {
        Effect    = "Allow"
        Action    = ["kms:GenerateDataKey", "kms:Decrypt"]
        Resource  = var.kms_key_arn
        Condition = { StringLike = { "kms:ViaService" = "s3.*.amazonaws.com" } }
      },
    ]
  })
}

resource "aws_iam_role_policy" "own_buckets" {
  for_each = local.owns

  name = "own-buckets"
  role = aws_iam_role.service[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = each.value.owns_buckets
      },
      {
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
        Resource = [for bucket in each.value.owns_buckets : "${bucket}/*"]
      },
      {
        Effect    = "Allow"
        Action    = ["kms:GenerateDataKey", "kms:Decrypt"]
        Resource  = var.kms_key_arn
        Condition = { StringLike = { "kms:ViaService" = "s3.*.amazonaws.com" } }
      },
    ]
  })
}
