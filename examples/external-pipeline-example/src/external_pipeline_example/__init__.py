"""A video pipeline for framerill: `pipeline` is what it does, `params` what can be changed while it runs."""
