module "platform" {
  source = "../../modules/platform"

  name        = "tidewheel-prod"
  environment = "prod"
  region      = var.region
  account_id  = var.account_id
  repository  = var.repository
  state       = var.state
  domain      = var.domain
  apps        = var.apps

  encrypt_at_rest = var.encrypt_at_rest

  network = {
    cidr  = "10.20.0.0/16"
    zones = ["${var.region}a", "${var.region}b", "${var.region}c"]
  }

  cluster = {
    administrator_arn = var.administrator_arn
    public_cidrs      = var.public_cidrs

    node_groups = {
      core    = { instance_types = ["m7i.large"], min = 3, max = 6 }
      workers = { instance_types = ["c7i.xlarge", "c6i.xlarge"], min = 2, max = 20 }
    }
  }

  database = {
    instance_class = "db.m7g.xlarge"
    storage        = { start = 400, most = 2000 }
    backup_days    = 14
  }
}
