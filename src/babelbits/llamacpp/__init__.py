"""Low-level access to llama.cpp for recipes and engines: its library, files and converter."""
