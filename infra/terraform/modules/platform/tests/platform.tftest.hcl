mock_provider "aws" {
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000000" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/mocked" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::mocked" }
  }
  mock_resource "aws_ecr_repository" {
    defaults = { arn = "arn:aws:ecr:eu-central-1:111122223333:repository/mocked" }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:mocked" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:111122223333:log-group:mocked" }
  }
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::111122223333:oidc-provider/mocked" }
  }
  mock_resource "aws_launch_template" {
    defaults = { id = "lt-00000000000000000", latest_version = 1 }
  }
  mock_resource "aws_eks_cluster" {
    defaults = { vpc_config = { cluster_security_group_id = "sg-nodes" } }
  }
  mock_resource "aws_db_instance" {
    defaults = { arn = "arn:aws:rds:eu-central-1:111122223333:db:mocked", master_user_secret = [{ secret_arn = "mocked" }] }
  }
  mock_resource "aws_acm_certificate" {
    defaults = {
      arn                       = "arn:aws:acm:eu-central-1:111122223333:certificate/00000000-0000-0000-0000-000000000000"
      domain_validation_options = [{ domain_name = "tasks.example.com", resource_record_name = "_a", resource_record_type = "CNAME", resource_record_value = "_x" }]
    }
  }
  mock_data "aws_secretsmanager_secret_version" {
    defaults = { secret_string = "{\"gateway\":\"0123456789abcdef-1\",\"scheduler\":\"0123456789abcdef-2\",\"dispatcher\":\"0123456789abcdef-3\",\"executor\":\"0123456789abcdef-4\",\"reaper\":\"0123456789abcdef-5\"}" }
  }
}

variables {
  name        = "tidewheel-test"
  region      = "eu-central-1"
  account_id  = "111122223333"
  environment = "test"
  repository  = "octo/tidewheel"
  state       = { bucket_arn = "arn:aws:s3:::state", key_arn = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-00000000000f" }
  domain      = { name = "tasks.example.com", zone_id = "Z0000000000000000000" }
  network     = { zones = ["eu-central-1a", "eu-central-1b"] }
  database    = { instance_class = "db.m7g.large" }
  keep        = false
  cluster = {
    administrator_arn = "arn:aws:iam::111122223333:role/people"
    node_groups       = { core = { instance_types = ["m7i.large"], min = 2, max = 4 } }
  }
}

run "everything_fits_together" {
  command = apply

  assert {
    condition     = output.redis_host == null && length(setsubtract(local.services, keys(output.image_repositories))) == 0
    error_message = "Redis was made although the chart brings it, or a service has nowhere to push its image."
  }
}

run "elasticache_takes_the_place_of_the_chart" {
  command = apply

  variables {
    elasticache = {}
  }

  assert {
    condition     = output.redis_host != null
    error_message = "ElastiCache was asked for and is not there."
  }
}

run "encryption_at_rest_is_switched_on_as_a_last_step" {
  command = apply

  variables {
    encrypt_at_rest = false
  }

  assert {
    condition     = output.addons.volumes_key == ""
    error_message = "The class of disks asks for a key that was to come later."
  }
}

run "the_cluster_has_two_administrators_and_a_deployer_of_one_namespace" {
  command = plan

  assert {
    condition     = [for name in ["people", "cluster", "deploy"] : length(module.eks.namespaces[name])] == [0, 0, 1]
    error_message = "The role that deploys services reaches beyond its namespace."
  }
}

run "only_external_secrets_reads_secrets" {
  command = plan

  assert {
    condition     = [for service, needs in local.identities : service if length(needs.reads_secrets) > 0] == ["external-secrets"]
    error_message = "A service may do more in AWS than it was granted."
  }
}

run "refuses_a_grant_to_nobody" {
  command = plan

  variables {
    grants = { gatway = { writes_buckets = ["arn:aws:s3:::archive"] } }
  }

  expect_failures = [var.grants]
}
