"""`Plan` to results: variants made, cells run, every batch recorded."""
