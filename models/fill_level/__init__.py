"""When a container will be full: cleaned ultrasonic levels, emptyings and inflow learned per container."""
