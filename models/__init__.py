"""What will happen: forecasts and anomalies."""
