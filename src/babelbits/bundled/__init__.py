"""What ships in the package: a tiny multilingual model, and BabelMini, a benchmark for it.

Its results do not carry over to large models. It lets the demo and the tests run real code
without a network.
"""

from importlib import resources
from pathlib import Path

MODEL_LANGUAGES = (
    *("en", "nb", "de", "fr", "es", "ru", "ar", "hi", "ml", "ja", "zh", "ko", "sw"),
    *("id", "th", "tr", "it"),
)
"""Languages that the model was trained on, as its card says."""


def find_bundled_model() -> Path:
    """Folder of the bundled model: a checkpoint that `transformers` loads."""
    return Path(str(resources.files("babelbits") / "bundled" / "model"))


def find_mini_folder() -> Path:
    """Folder of BabelMini's data."""
    return Path(str(resources.files("babelbits") / "bundled" / "babelmini"))
