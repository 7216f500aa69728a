mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/volumes" }
  }
}

variables {
  cluster_name    = "tidewheel-test"
  volumes_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000000"
  associations    = { gateway = { service_account = "tidewheel-gateway", namespace = "tidewheel", role_arn = "arn:aws:iam::111122223333:role/gateway" } }
}

run "network_policies_are_enforced" {
  command = plan

  assert {
    condition     = jsondecode(aws_eks_addon.this["vpc-cni"].configuration_values).enableNetworkPolicy == "true"
    error_message = "The charts' NetworkPolicies would be ignored."
  }
}

run "each_service_account_takes_its_own_role" {
  command = plan

  assert {
    condition     = aws_eks_pod_identity_association.service["gateway"].role_arn == var.associations.gateway.role_arn && aws_eks_pod_identity_association.service["gateway"].service_account == "tidewheel-gateway"
    error_message = "A pod would take another role than its service's."
  }
}

run "autoscaling_and_disks_have_what_they_need" {
  command = apply

  assert {
    condition     = contains(output.names, "metrics-server") && contains(output.names, "aws-ebs-csi-driver")
    error_message = "Autoscaling has no numbers, or volumes have no driver."
  }
  assert {
    condition     = strcontains(aws_iam_role_policy.volumes_key.policy, "kms:CreateGrant")
    error_message = "The driver could not make an encrypted disk."
  }
}
