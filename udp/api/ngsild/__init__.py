"""NGSI-LD (ETSI GS CIM 009), read only: the same data in the words of Smart Data Models."""
