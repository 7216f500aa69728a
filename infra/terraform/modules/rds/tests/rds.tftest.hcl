mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/monitoring" }
  }
}

variables {
  name                      = "tidewheel-test"
  vpc_id                    = "vpc-1"
  subnet_ids                = ["subnet-1", "subnet-2"]
  client_security_group_ids = { nodes = "sg-1" }
  kms_key_arn               = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000000"
  instance_class            = "db.m7g.large"
}

run "speaks_tls_only_and_stores_encrypted" {
  command = plan

  assert {
    condition     = contains([for one in aws_db_parameter_group.this.parameter : "${one.name}=${one.value}"], "rds.force_ssl=1")
    error_message = "The database answers without TLS."
  }
  assert {
    condition     = aws_db_instance.this.storage_encrypted && aws_db_instance.this.kms_key_id == var.kms_key_arn && !aws_db_instance.this.publicly_accessible
    error_message = "The storage is not encrypted with our key, or the database has a public address."
  }
  assert {
    condition     = aws_db_instance.this.manage_master_user_password && aws_db_instance.this.password == null
    error_message = "The owner's password would be in the state."
  }
}

run "keeps_synchronous_commit" {
  command = plan

  assert {
    condition     = !contains(keys(local.settings), "synchronous_commit") && !contains(keys(local.settings), "fsync")
    error_message = "An accepted task could be lost: the promise rests on the defaults of these two."
  }
}

run "a_kept_database_cannot_be_deleted" {
  command = plan

  assert {
    condition     = aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot && length(terraform_data.keep) == 1
    error_message = "One command could delete the data."
  }
}

run "a_disposable_database_can" {
  command = plan

  variables {
    keep = false
  }

  assert {
    condition     = !aws_db_instance.this.deletion_protection && aws_db_instance.this.skip_final_snapshot && length(terraform_data.keep) == 0
    error_message = "A disposable environment could not be destroyed."
  }
}

run "lets_in_only_whom_it_was_told" {
  command = plan

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.clients) == 1 && aws_vpc_security_group_ingress_rule.clients["nodes"].from_port == 5432
    error_message = "Somebody else may connect."
  }
}

run "refuses_a_version_that_tidewheel_does_not_run_on" {
  command = plan

  variables {
    postgres = "14"
  }

  expect_failures = [var.postgres]
}

run "encryption_can_wait" {
  command = plan

  variables {
    encrypted = false
  }

  assert {
    condition     = !aws_db_instance.this.storage_encrypted && aws_db_instance.this.master_user_secret_kms_key_id == var.kms_key_arn
    error_message = "The storage is encrypted although that was to come later, or the owner's password is not."
  }
}
