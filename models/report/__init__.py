"""The models' report for the climate team: one German page that stands alone."""
