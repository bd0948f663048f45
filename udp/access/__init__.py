"""Who somebody is, proven: API keys, sessions of staff, sign-in by OpenID Connect, and the log of it all."""
