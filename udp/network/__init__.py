"""The LoRaWAN network server (ChirpStack v4): the register is written into it, sessions are read from it.

The register is the master of what it knows: names, places, keys, which device type. ChirpStack is the master
of what it alone knows: radio parameters, counters, sessions. Only what carries our mark (the tag `udp`) is
changed, nothing is deleted without being told to, and a sync that broke off is continued by the next one,
because every sync compares first.
"""
