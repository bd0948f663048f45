"""What leaves in one piece: the open-data catalogue, dumps for everybody, and the whole instance."""
