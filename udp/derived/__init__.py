"""Values computed from other values: which formula, in which version, from which inputs."""
