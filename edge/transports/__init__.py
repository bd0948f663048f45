"""How an agent speaks upwards: MQTT or CBOR over HTTPS, one promise."""
