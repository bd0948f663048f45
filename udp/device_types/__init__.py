"""Device types other people described: their files become profiles of ours, their examples our tests."""
