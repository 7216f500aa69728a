locals {
  issuer = "token.actions.githubusercontent.com"

  subjects = {
    plan    = ["repo:${var.repository}:pull_request", "repo:${var.repository}:ref:refs/heads/main"]
    apply   = ["repo:${var.repository}:environment:${var.environment}"]
    push    = ["repo:${var.repository}:ref:refs/heads/main"]
    deploy  = ["repo:${var.repository}:environment:${var.environment}"]
    cluster = ["repo:${var.repository}:environment:${var.environment}-cluster"]
  }
}

resource "aws_iam_openid_connect_provider" "this" {
  url            = "https://${local.issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "this" {
  for_each = local.subjects

  name                 = "${var.name}-github-${each.key}"
  max_session_duration = 3600

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = aws_iam_openid_connect_provider.this.arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = {
          "${local.issuer}:aud" = "sts.amazonaws.com"
          "${local.issuer}:sub" = each.value
        }
      }
    }]
  })
}

# Images are pushed from main without a review: what is released is what a reviewed job found signed.
resource "aws_iam_role_policy" "push" {
  name = "push-images"
  role = aws_iam_role.this["push"].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload",
          "ecr:DescribeImages", "ecr:DescribeImageScanFindings", "ecr:GetDownloadUrlForLayer",
          "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
        ]
        Resource = var.repository_arns
      },
    ]
  })
}

resource "aws_iam_role_policy" "deploy" {
  name = "read-signatures-and-find-the-cluster"
  role = aws_iam_role.this["deploy"].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Effect   = "Allow"
        Action   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = var.repository_arns
      },
      {
        Effect   = "Allow"
        Action   = "eks:DescribeCluster"
        Resource = var.cluster_arn
      },
    ]
  })
}

# It installs what belongs to the whole cluster, as its administrator; in AWS it may only ask where the cluster is.
resource "aws_iam_role_policy" "cluster" {
  name = "find-the-cluster"
  role = aws_iam_role.this["cluster"].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "eks:DescribeCluster"
      Resource = var.cluster_arn
    }]
  })
}
