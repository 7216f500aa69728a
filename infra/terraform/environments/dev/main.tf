module "platform" {
  source = "../../modules/platform"

  name        = "tidewheel-dev"
  environment = "dev"
  region      = var.region
  account_id  = var.account_id
  repository  = var.repository
  state       = var.state
  domain      = var.domain
  apps        = var.apps
  keep        = false

  encrypt_at_rest = var.encrypt_at_rest

  network = {
    cidr    = "10.10.0.0/16"
    zones   = ["${var.region}a", "${var.region}b"]
    one_nat = true
  }

  cluster = {
    administrator_arn = var.administrator_arn
    public_cidrs      = var.public_cidrs
    node_groups       = { core = { instance_types = ["m7i.large", "m6i.large"], min = 2, max = 4, spot = true } }
  }

  database = {
    instance_class = "db.t4g.medium"
    storage        = { start = 50, most = 200 }
    multi_az       = false
    backup_days    = 3
  }
}
