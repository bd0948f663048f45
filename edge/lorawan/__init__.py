"""LoRaWAN 1.0.x on the receiving side: frames, integrity, sessions."""
