"""Values of the virtual city to device payload bytes, written independently of our decoders."""
