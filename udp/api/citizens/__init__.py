"""Live pages and interface for citizens' sensors: forms need a server, so they are not drawn beforehand."""
