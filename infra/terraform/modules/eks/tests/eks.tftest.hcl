mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/eks" }
  }
}

variables {
  name            = "tidewheel-test"
  subnet_ids      = ["subnet-1", "subnet-2"]
  secrets_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000001"
  volumes_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000002"
  logs_key_arn    = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000003"
  node_groups     = { core = { instance_types = ["m7i.large"], min = 2, max = 4 } }
  access = {
    people = { principal_arn = "arn:aws:iam::111122223333:role/people", policy = "AmazonEKSClusterAdminPolicy" }
    deploy = { principal_arn = "arn:aws:iam::111122223333:role/deploy", policy = "AmazonEKSAdminPolicy", namespaces = ["tidewheel"] }
  }
}

run "secrets_are_encrypted_and_the_api_is_private" {
  command = plan

  assert {
    condition     = aws_eks_cluster.this.encryption_config[0].provider[0].key_arn == var.secrets_key_arn
    error_message = "Secrets are stored without our key."
  }
  assert {
    condition     = aws_eks_cluster.this.vpc_config[0].endpoint_private_access && !aws_eks_cluster.this.vpc_config[0].endpoint_public_access
    error_message = "The API answers the internet without having been asked to."
  }
}

run "nobody_is_an_administrator_by_accident" {
  command = plan

  assert {
    condition     = aws_eks_cluster.this.access_config[0].authentication_mode == "API" && !aws_eks_cluster.this.access_config[0].bootstrap_cluster_creator_admin_permissions
    error_message = "Whoever made the cluster could do everything in it, unseen."
  }
  assert {
    condition     = tolist(aws_eks_access_policy_association.this["deploy"].access_scope[0].namespaces) == tolist(["tidewheel"]) && aws_eks_access_policy_association.this["people"].access_scope[0].type == "cluster"
    error_message = "The deploy role reaches beyond its namespace."
  }
}

run "a_pod_cannot_take_the_role_of_its_node" {
  command = plan

  assert {
    condition = alltrue([
      for template in aws_launch_template.node :
      template.metadata_options[0].http_tokens == "required" && template.metadata_options[0].http_put_response_hop_limit == 1
    ])
    error_message = "The metadata service answers pods, or answers without a token."
  }
  assert {
    condition     = aws_launch_template.node["core"].block_device_mappings[0].ebs[0].encrypted == "true" && aws_ebs_encryption_by_default.this.enabled
    error_message = "A disk is not encrypted."
  }
}

run "refuses_the_whole_internet" {
  command = plan

  variables {
    public_cidrs = ["0.0.0.0/0"]
  }

  expect_failures = [var.public_cidrs]
}

run "encryption_can_wait" {
  command = plan

  variables {
    encrypted = false
  }

  assert {
    condition     = length(aws_eks_cluster.this.encryption_config) == 0 && !aws_ebs_encryption_by_default.this.enabled
    error_message = "Something is encrypted that was to be encrypted later."
  }
}
