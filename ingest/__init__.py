"""From words on the wire to Observations: journal first, then the pipeline."""
