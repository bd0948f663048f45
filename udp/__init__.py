"""The platform: registry, store, policy, API."""
