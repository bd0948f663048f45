"""OGC SensorThings API 1.1 (OGC 18-088) over register and store, for QGIS, Masterportal and anyone."""
