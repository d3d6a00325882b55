"""What follows from results: gate, recommendation, power, the history of releases."""
