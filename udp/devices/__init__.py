"""The device register: what people know of every device, in bulk, with its keys under lock."""
