"""study.toml to `Study`."""
