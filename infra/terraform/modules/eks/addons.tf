locals {
  # Add-on => configuration. The CNI enforces NetworkPolicies only when it is told to.
  addons = {
    "coredns"                = {}
    "eks-pod-identity-agent" = {}
    "kube-proxy"             = {}
    "metrics-server"         = {}
    "vpc-cni"                = { enableNetworkPolicy = "true" }
  }
}

resource "aws_eks_addon" "this" {
  for_each = local.addons

  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  configuration_values        = length(each.value) == 0 ? null : jsonencode(each.value)
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "PRESERVE"

  depends_on = [aws_eks_node_group.this]
}

resource "aws_iam_role" "volumes" {
  name = "${var.name}-ebs-csi"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
    }]
  })
}

resource "aws_iam_role_policy_attachment" "volumes" {
  role       = aws_iam_role.volumes.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"
}

resource "aws_iam_role_policy" "volumes_key" {
  name = "key"
  role = aws_iam_role.volumes.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Action    = "kms:CreateGrant"
        Resource  = var.volumes_key_arn
        Condition = { Bool = { "kms:GrantIsForAWSResource" = "true" } }
      },
      {
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext"]
        Resource = var.volumes_key_arn
      },
    ]
  })
}

# It makes no storage class: the one of infra/addons/cluster has our key.
resource "aws_eks_addon" "volumes" {
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = "aws-ebs-csi-driver"
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "PRESERVE"

  pod_identity_association {
    role_arn        = aws_iam_role.volumes.arn
    service_account = "ebs-csi-controller-sa"
  }

  depends_on = [
    aws_eks_node_group.this,
    aws_eks_addon.this["eks-pod-identity-agent"],
    aws_iam_role_policy_attachment.volumes,
    aws_iam_role_policy.volumes_key,
  ]
}

resource "aws_eks_pod_identity_association" "service" {
  for_each = var.associations

  cluster_name    = aws_eks_cluster.this.name
  namespace       = each.value.namespace
  service_account = each.value.service_account
  role_arn        = each.value.role_arn
}
