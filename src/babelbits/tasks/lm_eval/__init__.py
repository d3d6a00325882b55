"""Tasks of lm-evaluation-harness as ours: their prompts, data and scoring."""
