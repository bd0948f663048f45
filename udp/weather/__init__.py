"""What the weather service expects: fetched, checked and kept as it was known at each moment."""
