mock_provider "aws" {}

variables {
  name        = "tidewheel-test"
  secrets     = { keyring = "The keys that seal payloads." }
  kms_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000000"
}

run "a_kept_secret_can_be_recovered" {
  command = plan

  assert {
    condition     = aws_secretsmanager_secret.this["keyring"].recovery_window_in_days == 30 && length(terraform_data.keep) == 1
    error_message = "The keys that seal payloads can be lost at once."
  }
  assert {
    condition     = aws_secretsmanager_secret.this["keyring"].kms_key_id == var.kms_key_arn
    error_message = "A secret is not encrypted with our key."
  }
}

run "a_disposable_secret_frees_its_name" {
  command = plan

  variables {
    keep = false
  }

  assert {
    condition     = aws_secretsmanager_secret.this["keyring"].recovery_window_in_days == 0
    error_message = "An environment that was destroyed could not be made again."
  }
}
