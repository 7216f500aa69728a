"""What every Tidewheel process shares: the lifecycle, the stores, sealing, the process skeleton."""
