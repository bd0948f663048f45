"""How rain becomes runoff: conceptual catchments, calibrated and corrected from what the gauge says."""
