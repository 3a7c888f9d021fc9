"""Who may do what: limits, recognition of callers, roles, sessions, headers."""
