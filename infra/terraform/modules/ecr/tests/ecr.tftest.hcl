mock_provider "aws" {}

variables {
  name        = "tidewheel"
  services    = ["gateway", "reaper"]
  kms_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000000"
}

run "a_tag_means_one_image_for_ever" {
  command = plan

  assert {
    condition     = alltrue([for one in aws_ecr_repository.this : one.image_tag_mutability == "IMMUTABLE"])
    error_message = "A tag can be moved to another image."
  }
  assert {
    condition     = aws_ecr_repository.this["gateway"].name == "tidewheel/gateway"
    error_message = "The repository is not where the workflows push to."
  }
}

run "scans_and_encrypts" {
  command = plan

  assert {
    condition     = alltrue([for one in aws_ecr_repository.this : one.image_scanning_configuration[0].scan_on_push && one.encryption_configuration[0].kms_key == var.kms_key_arn])
    error_message = "An image is stored without a scan or without our key."
  }
}
