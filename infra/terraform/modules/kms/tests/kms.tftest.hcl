mock_provider "aws" {}

variables {
  name       = "tidewheel-test"
  account_id = "111122223333"
  purposes = {
    data    = {}
    logs    = { log_services = ["logs.eu-central-1.amazonaws.com"] }
    volumes = { via = ["ec2.eu-central-1.amazonaws.com"] }
  }
}

run "rotates_every_key_and_leaves_a_month_to_regret" {
  command = plan

  assert {
    condition     = alltrue([for key in aws_kms_key.this : key.enable_key_rotation && key.deletion_window_in_days == 30])
    error_message = "A key does not rotate, or can be gone in less than 30 days."
  }
}

run "lets_a_service_in_only_where_it_was_named" {
  command = plan

  assert {
    condition     = length(jsondecode(aws_kms_key.this["data"].policy).Statement) == 1
    error_message = "The data key lets a service in that nobody named."
  }
  assert {
    condition     = strcontains(aws_kms_key.this["logs"].policy, "log-group:*")
    error_message = "The logs key is not bound to the log groups of the account."
  }
}

run "opens_a_key_to_the_account_only_through_a_named_service" {
  command = plan

  assert {
    condition     = jsondecode(aws_kms_key.this["volumes"].policy).Statement[1].Condition.StringEquals["kms:CallerAccount"] == var.account_id
    error_message = "Another account could use the key of the volumes."
  }
}

run "guards_each_key" {
  command = plan

  assert {
    condition     = keys(terraform_data.keep) == ["data", "logs", "volumes"]
    error_message = "A key has no guard."
  }
}

run "guards_nothing_that_may_go" {
  command = plan

  variables {
    keep = false
  }

  assert {
    condition     = length(terraform_data.keep) == 0
    error_message = "A disposable environment could not be destroyed."
  }
}
