"""Boards of the climate team in Grafana: typed here, put there by `udp-dashboards grafana`."""
