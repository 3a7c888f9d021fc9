"""Where patients come from: simulated sources, and real ones in CDISC SDTM or tabular form."""
