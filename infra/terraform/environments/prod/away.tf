variable "away_region" {
  description = "Where copies of the database's backups go, for the loss of a whole region."
  type        = string
  default     = "eu-west-1"
}

provider "aws" {
  alias               = "away"
  region              = var.away_region
  allowed_account_ids = [var.account_id]
}

module "kms_away" {
  source    = "../../modules/kms"
  providers = { aws = aws.away }

  name       = "tidewheel-prod-away"
  account_id = var.account_id
  purposes   = { backups = {} }
}

resource "aws_db_instance_automated_backups_replication" "away" {
  provider = aws.away

  source_db_instance_arn = module.platform.database_arn
  kms_key_id             = module.kms_away.arns["backups"]
  retention_period       = 14
}
