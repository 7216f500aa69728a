mock_provider "aws" {
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com" }
  }
}

variables {
  name             = "tidewheel-test"
  repository       = "octo/tidewheel"
  environment      = "prod"
  account_id       = "111122223333"
  state_bucket_arn = "arn:aws:s3:::state"
  state_key_arn    = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000000"
  repository_arns  = ["arn:aws:ecr:eu-central-1:111122223333:repository/tidewheel/gateway"]
  cluster_arn      = "arn:aws:eks:eu-central-1:111122223333:cluster/tidewheel-test"
}

run "reviewers_stand_before_apply_and_deploy" {
  command = apply

  assert {
    condition = alltrue([
      for purpose in ["apply", "deploy"] :
      tolist(jsondecode(aws_iam_role.this[purpose].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"]) == tolist(["repo:octo/tidewheel:environment:prod"])
    ])
    error_message = "A workflow outside the reviewed environment could change AWS."
  }
}

run "a_pull_request_can_only_look" {
  command = plan

  assert {
    condition     = aws_iam_role_policy_attachment.plan.policy_arn == "arn:aws:iam::aws:policy/ReadOnlyAccess" && !contains(local.state_access.plan.actions, "s3:PutObject")
    error_message = "A pull request could change something."
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.plan_sees_no_data.policy).Statement[0].Effect == "Deny"
    error_message = "A pull request could read what lies in the buckets."
  }
}

run "what_administers_the_cluster_has_an_environment_of_its_own" {
  command = apply

  assert {
    condition     = tolist(jsondecode(aws_iam_role.this["cluster"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"]) == tolist(["repo:octo/tidewheel:environment:prod-cluster"])
    error_message = "Whoever may deploy a service could administer the cluster."
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.cluster.policy).Statement[0].Action == "eks:DescribeCluster"
    error_message = "The role for the add-ons may do more in AWS than to find the cluster."
  }
}

run "only_main_pushes_and_only_to_our_repositories" {
  command = apply

  assert {
    condition     = tolist(jsondecode(aws_iam_role.this["push"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"]) == tolist(["repo:octo/tidewheel:ref:refs/heads/main"])
    error_message = "A branch that nobody has reviewed could push an image."
  }
  assert {
    condition     = tolist(jsondecode(aws_iam_role_policy.push.policy).Statement[1].Resource) == var.repository_arns
    error_message = "An image could be pushed elsewhere."
  }
  assert {
    condition     = !strcontains(aws_iam_role_policy.deploy.policy, "ecr:PutImage")
    error_message = "What releases an image could also make one."
  }
}

run "a_plan_reads_only_the_secrets_that_it_was_given" {
  command = plan

  variables {
    plan_reads = {
      secret_arns = ["arn:aws:secretsmanager:eu-central-1:111122223333:secret:redis-users"]
      key_arn     = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000000"
    }
  }

  assert {
    condition     = tolist(jsondecode(aws_iam_role_policy.plan_reads[0].policy).Statement[0].Resource) == tolist(["arn:aws:secretsmanager:eu-central-1:111122223333:secret:redis-users"])
    error_message = "A plan could read another secret."
  }
}

run "refuses_a_star" {
  command = plan

  variables {
    repository = "octo/*"
  }

  expect_failures = [var.repository]
}
