"""The parts of the llama.cpp engine. Nothing here imports torch; the library is loaded late."""
