"""SensorThings by MQTT (OGC 18-088, 14): a listener of our own, for what a topic says depends on who asks."""
