mock_provider "aws" {
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:111122223333:log-group:flow" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/flow" }
  }
}

variables {
  name         = "tidewheel-test"
  region       = "eu-central-1"
  zones        = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  logs_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000000"
}

run "each_zone_has_its_own_way_out" {
  command = apply

  assert {
    condition     = alltrue([for zone in var.zones : aws_route.private[zone].nat_gateway_id == aws_nat_gateway.this[zone].id])
    error_message = "The loss of one zone would take the way out from another."
  }
  assert {
    condition     = length(output.private_subnet_ids) == 3
    error_message = "A zone has no private subnet."
  }
}

run "addresses_do_not_overlap" {
  command = plan

  assert {
    condition     = values(local.private) == ["10.0.0.0/19", "10.0.32.0/19", "10.0.64.0/19"] && values(local.public)[0] == "10.0.128.0/24"
    error_message = "The address plan has changed: existing subnets would be replaced."
  }
}

run "one_nat_serves_all_when_asked" {
  command = plan

  variables {
    one_nat = true
  }

  assert {
    condition     = keys(aws_nat_gateway.this) == ["eu-central-1a"] && length(aws_route.private) == 3
    error_message = "A cheap environment pays for more than one NAT gateway, or a zone has no way out."
  }
}

run "what_nobody_opened_is_closed" {
  command = plan

  assert {
    condition     = alltrue([for subnet in aws_subnet.public : !subnet.map_public_ip_on_launch])
    error_message = "A machine gets a public address without being asked to."
  }
  assert {
    condition     = aws_flow_log.this.traffic_type == "ALL"
    error_message = "Some traffic leaves no trace."
  }
}

run "refuses_one_zone" {
  command = plan

  variables {
    zones = ["eu-central-1a"]
  }

  expect_failures = [var.zones]
}

run "refuses_a_small_network" {
  command = plan

  variables {
    cidr = "10.0.0.0/20"
  }

  expect_failures = [var.cidr]
}
