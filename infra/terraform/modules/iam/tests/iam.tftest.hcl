mock_provider "aws" {}

variables {
  name        = "tidewheel-test"
  account_id  = "111122223333"
  cluster_arn = "arn:aws:eks:eu-central-1:111122223333:cluster/tidewheel-test"
  namespace   = "tidewheel"
  kms_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000000"
  services = {
    gateway    = { service_account = "tidewheel-gateway", reads_secrets = ["arn:aws:secretsmanager:eu-central-1:111122223333:secret:gateway"] }
    dispatcher = { reads_secrets = ["arn:aws:secretsmanager:eu-central-1:111122223333:secret:dispatcher"] }
    backup     = { writes_buckets = ["arn:aws:s3:::backups"] }
    tempo      = { namespace = "monitoring", owns_buckets = ["arn:aws:s3:::traces"] }
  }
}

run "a_role_belongs_to_one_service_account_of_one_cluster" {
  command = plan

  assert {
    condition = alltrue([
      for service, role in aws_iam_role.service :
      jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["aws:RequestTag/kubernetes-service-account"] == (service == "gateway" ? "tidewheel-gateway" : service)
      && jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["aws:RequestTag/kubernetes-namespace"] == (service == "tempo" ? "monitoring" : "tidewheel")
      && jsondecode(role.assume_role_policy).Statement[0].Condition.ArnEquals["aws:SourceArn"] == var.cluster_arn
    ])
    error_message = "Another pod than the service's own may take its role."
  }
}

run "a_service_reads_its_own_secret_and_no_other" {
  command = plan

  assert {
    condition     = tolist(jsondecode(aws_iam_role_policy.secrets["gateway"].policy).Statement[0].Resource) == var.services.gateway.reads_secrets
    error_message = "The gateway reads what is not its own."
  }
  assert {
    condition     = keys(aws_iam_role_policy.secrets) == ["dispatcher", "gateway"]
    error_message = "A service that asked for no secret may read one."
  }
}

run "nobody_deletes_from_a_bucket_of_others_or_has_a_star" {
  command = plan

  assert {
    condition     = !strcontains(aws_iam_role_policy.buckets["backup"].policy, "Delete")
    error_message = "A service may delete what it wrote."
  }
  assert {
    condition     = keys(aws_iam_role_policy.own_buckets) == ["tempo"] && jsondecode(aws_iam_role_policy.own_buckets["tempo"].policy).Statement[1].Resource[0] == "arn:aws:s3:::traces/*"
    error_message = "A bucket of its own is somebody else's."
  }
  assert {
    condition = alltrue([
      for policy in concat(values(aws_iam_role_policy.secrets)[*].policy, values(aws_iam_role_policy.buckets)[*].policy, values(aws_iam_role_policy.own_buckets)[*].policy) :
      alltrue([for statement in jsondecode(policy).Statement : statement.Resource != "*"])
    ])
    error_message = "A service may act on every resource."
  }
}
