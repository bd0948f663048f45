"""Where energy and water are used without need: meter hygiene, expected load and causal cases."""
