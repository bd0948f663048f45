"""One machine: writes every process its configuration, starts them all and stops them all."""
