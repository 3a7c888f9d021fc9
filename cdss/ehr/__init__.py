"""In the clinic's systems: CDS Hooks, FHIR and SMART."""
