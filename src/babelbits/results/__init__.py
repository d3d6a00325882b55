"""A run folder, or other tools' logs, as one `Results`: what every consumer reads."""
