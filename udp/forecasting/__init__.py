"""What the models say beside their numbers: where forecasts are, how good they are, what they found."""
