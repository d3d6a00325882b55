# Compile the llama library alone: half of the default's files are helpers of programs that the
# Python package does not have. Read by CMake through CMAKE_PROJECT_llama.cpp_INCLUDE.
set(LLAMA_BUILD_COMMON OFF)
