"""From source cohorts to a frozen, anonymous, versioned database."""
