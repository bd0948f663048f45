"""What is known about deliveries: receptions, freshness, gaps, quarantine."""
