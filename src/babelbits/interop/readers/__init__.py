"""Results that other tools wrote, as one plain record.

    record            what a reader is and returns
    files             JSON, JSON lines and Parquet, with file:line in every complaint
    lm_eval           lm-evaluation-harness: samples_*.jsonl, results_*.json
    lm_eval_scores, lm_eval_setup   its metrics of single items; how it asked
    lighteval         lighteval: details_*.parquet
    inspect_log       Inspect: .eval (zip) and .json logs
    evalscope         EvalScope: reviews/ and predictions/
    llama_perplexity  llama.cpp's llama-perplexity --kl-divergence, as text
    table             CSV and JSON lines of our own documented schema
    run_folder        our own run folders
    naming, families  a task's name to benchmark and language
    detect            which reader a path is for

Each of the tools' modules has a `READER`, a row of `babelbits.registry.READERS`, in whose order
they are tried; other packages add readers there. A reader says what a file says and judges nothing;
`interop.join` pairs and complains.
"""
