"""What happened to devices and gateways, without anybody setting anything: silent, stuck, battery low."""
