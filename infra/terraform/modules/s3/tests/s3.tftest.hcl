mock_provider "aws" {
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::tidewheel-test" }
  }
}

variables {
  name        = "tidewheel-test"
  account_id  = "111122223333"
  kms_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000000"
  buckets     = { archive = { cold_after_days = 30 }, backups = { delete_after_days = 35 } }
}

run "encrypts_with_our_key" {
  command = plan

  assert {
    condition = alltrue([
      for one in aws_s3_bucket_server_side_encryption_configuration.this : alltrue([
        for rule in one.rule : rule.apply_server_side_encryption_by_default[0].kms_master_key_id == var.kms_key_arn
      ])
    ])
    error_message = "A bucket is not encrypted with the key that was given."
  }
}

run "refuses_the_public_and_plain_http" {
  command = apply

  variables {
    keep = false
  }

  assert {
    condition     = alltrue([for one in aws_s3_bucket_public_access_block.this : one.block_public_policy && one.restrict_public_buckets])
    error_message = "A bucket can become public."
  }
  assert {
    condition     = alltrue([for one in aws_s3_bucket_policy.this : strcontains(one.policy, "aws:SecureTransport")])
    error_message = "A bucket answers without TLS."
  }
}

run "ages_each_bucket_as_it_was_asked_to" {
  command = plan

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.this["archive"].rule[0].transition != null && length(aws_s3_bucket_lifecycle_configuration.this["archive"].rule[0].expiration) == 0
    error_message = "The archive is deleted, or never gets cold."
  }
  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.this["backups"].rule[0].expiration[0].days == 35
    error_message = "Backups are not deleted when they were to be."
  }
}

run "never_empties_what_is_kept" {
  command = plan

  assert {
    condition     = alltrue([for bucket in aws_s3_bucket.this : !bucket.force_destroy]) && length(terraform_data.keep) == 2
    error_message = "A bucket that is to be kept can be emptied or has no guard."
  }
}

run "encryption_with_our_key_can_wait" {
  command = plan

  variables {
    encrypted = false
  }

  assert {
    condition = alltrue([
      for one in aws_s3_bucket_server_side_encryption_configuration.this : alltrue([
        for rule in one.rule : rule.apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
      ])
    ])
    error_message = "A bucket asks for a key that was to come later."
  }
}
