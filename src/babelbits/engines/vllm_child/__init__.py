"""The parts of the vLLM engine; see `engines.vllm`."""
