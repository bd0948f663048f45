"""Sensors of citizens and schools: applied for, approved, heard by an own key, deleted by their owners."""
