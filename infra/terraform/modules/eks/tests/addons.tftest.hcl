mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/eks" }
  }
  mock_resource "aws_launch_template" {
    defaults = { id = "lt-00000000000000000", latest_version = 1 }
  }
  mock_resource "aws_eks_cluster" {
    defaults = { vpc_config = { cluster_security_group_id = "sg-nodes" } }
  }
}

variables {
  name            = "tidewheel-test"
  subnet_ids      = ["subnet-1", "subnet-2"]
  secrets_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000001"
  volumes_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000002"
  logs_key_arn    = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000003"
  node_groups     = { core = { instance_types = ["m7i.large"], min = 2, max = 4 } }
  access          = {}
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
    condition     = contains(keys(aws_eks_addon.this), "metrics-server") && aws_eks_addon.volumes.addon_name == "aws-ebs-csi-driver"
    error_message = "Autoscaling has no numbers, or volumes have no driver."
  }
  assert {
    condition     = strcontains(aws_iam_role_policy.volumes_key.policy, "kms:CreateGrant")
    error_message = "The driver could not make an encrypted disk."
  }
}
