"""What exists: Things, Datastreams, devices and their profiles."""
