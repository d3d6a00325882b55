"""Size, memory and speed of a study's variants, in the engines that would serve them.

Never measured in an emulation, and never mixed with quality: a time has no verdict. One idea a
module:

    speed_records       what is kept of a measurement, and its file in the run folder
    parallel_sentences  the bundled sentences: prompts, and tokens by language
    timing              one loaded engine, timed through its public protocol
    measuring_child     the process in which an arm is loaded and timed
    arm_process         that process, seen from its parent
    host                the machine: what it is, its memory, its page cache
    measure_arms        all arms of a study in turn, recorded round by round
    speed_summary       medians, quartiles, the noise floor, and what is told apart from it

Seconds, bytes and tokens; speeds are tokens a second, more is faster.
"""
