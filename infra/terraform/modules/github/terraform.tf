locals {
  # A plan that is to be applied waits for its approval beside the state: it holds whatever the state holds.
  state_access = {
    plan  = { actions = ["s3:GetObject"], writes = ["*.tflock", "plans/*"] }
    apply = { actions = ["s3:GetObject", "s3:PutObject"], writes = ["*.tflock"] }
  }
}

resource "aws_iam_role_policy" "state" {
  for_each = local.state_access

  name = "state"
  role = aws_iam_role.this[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = var.state_bucket_arn
      },
      {
        Effect   = "Allow"
        Action   = each.value.actions
        Resource = "${var.state_bucket_arn}/*"
      },
      {
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
        Resource = [for path in each.value.writes : "${var.state_bucket_arn}/${path}"]
      },
      {
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = var.state_key_arn
      },
    ]
  })
}

resource "aws_iam_role_policy_attachment" "plan" {
  role       = aws_iam_role.this["plan"].name
  policy_arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
}

# A pull request can be opened by many: it must not read what the plan does not need.
resource "aws_iam_role_policy" "plan_sees_no_data" {
  name = "no-data"
  role = aws_iam_role.this["plan"].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect      = "Deny"
      Action      = ["s3:GetObject", "s3:GetObjectVersion"]
      NotResource = ["${var.state_bucket_arn}/*"]
    }]
  })
}

resource "aws_iam_role_policy" "plan_reads" {
  count = var.plan_reads == null ? 0 : 1

  name = "secrets-that-a-plan-compares"
  role = aws_iam_role.this["plan"].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = var.plan_reads.secret_arns
      },
      {
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = var.plan_reads.key_arn
        Condition = { StringLike = { "kms:ViaService" = "secretsmanager.*.amazonaws.com" } }
      },
    ]
  })
}

resource "aws_iam_role_policy_attachment" "apply" {
  role       = aws_iam_role.this["apply"].name
  policy_arn = "arn:aws:iam::aws:policy/PowerUserAccess"
}

# PowerUser leaves IAM out; this gives back what the modules need, for roles of this environment only.
resource "aws_iam_role_policy" "apply_roles" {
  name = "roles-of-this-environment"
  role = aws_iam_role.this["apply"].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Action = [
          "iam:AttachRolePolicy", "iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy",
          "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole",
          "iam:ListRolePolicies", "iam:PassRole", "iam:PutRolePolicy", "iam:TagRole", "iam:UntagRole",
          "iam:UpdateAssumeRolePolicy", "iam:UpdateRole",
        ]
        Resource = "arn:aws:iam::${var.account_id}:role/${var.name}-*"
      },
      {
        Effect   = "Deny"
        Action   = ["iam:AttachRolePolicy", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy"]
        Resource = "arn:aws:iam::${var.account_id}:role/${var.name}-github-*"
      },
      {
        Effect   = "Allow"
        Action   = "iam:GetOpenIDConnectProvider"
        Resource = aws_iam_openid_connect_provider.this.arn
      },
      {
        Effect   = "Allow"
        Action   = "iam:ListOpenIDConnectProviders"
        Resource = "*"
      },
    ]
  })
}
