"""Parts that pages are made of: each a function from values and words to Dash components."""
