"""Open data for everybody: catalogue, a page per dataset, and the files."""
