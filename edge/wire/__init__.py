"""The shared words of the platform: identifiers, messages and their bytes."""
