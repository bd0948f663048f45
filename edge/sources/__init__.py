"""Where an agent hears: packet forwarders, local network servers, Modbus."""
