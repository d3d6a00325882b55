"""A tiny random chat model: a tokenizer with special turn tokens and a Jinja template."""

import json
import shutil
from pathlib import Path

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "<|{{ message['role'] }}|>\n{{ message['content'] | trim }}{{ eos_token }}\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
    "{% endif %}"
)
"""In the manner of Zephyr and Qwen 3."""

NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    + TEMPLATE
)
"""In the manner of Gemma."""


def make_chat(plain: Path, folder: Path, *, template: str = TEMPLATE) -> Path:
    """A copy of a tiny checkpoint with a chat template."""
    shutil.copytree(plain, folder, dirs_exist_ok=True)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**config, "chat_template": template}), "utf-8")
    return folder
