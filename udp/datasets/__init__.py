"""The city's policy: which data there are, whose, what for, who may see them how finely, and for how long.

`policy.toml` is the file a data protection officer reads and changes; `udp.policy` asks it at every exit.
"""
