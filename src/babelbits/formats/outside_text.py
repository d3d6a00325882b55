"""Which parts of a checkpoint do not read or write text: towers, projectors, extra heads.

One list for every library. A variant leaves these parts as they are, because no calibration text
and no measured text ever runs through them. Names are those of modules, in the files and after
transformers' renaming on load ('vision_tower.x' becomes 'model.vision_tower.x'): a part is known by
one component of its dotted name, wherever it stands. Pure, no torch.
"""

import re

_PARTS = (
    # images and video
    r"vision_\w+|visual\w*|vit|vit_\w+|image_\w+|img_\w+|pixel_\w+|video_tower|vpm|sam_model",
    r"high_res_vision\w*|patch_embed|embed_vision|embed_tokens_extend|vqmodel|generation_\w+",
    # sound
    r"audio_\w+|speech_\w+|embed_audio|apm|acoustic_\w+|semantic_tokenizer\w*",
    r"talker|token2wav|code2wav|codec_\w+|tts",
    # from one to the other
    r"multi_modal_\w+|multimodal_\w+|mm_\w+|mlp1|connector|projector|aligner|merger|abstractor",
    r"resampler\w*|perceiver\w*|qformer\w*|query_tokens|language_projection",
    # heads that guess further tokens, which are not run here
    r"mtp|mtp_\w+|nextn_\w+|eh_proj|medusa_\w+",
)
_AT_THE_TOP = r"(?:model\.)?encoder"
"""Of sound, where a decoder-only text model stands beside it."""
OUTSIDE = rf"(?:(?:.*\.)?(?:{'|'.join(_PARTS)})|{_AT_THE_TOP})(?:\..*)?$"
"""Matches, from the start, the dotted name of a module or weight outside the text model."""
_OUTSIDE = re.compile(OUTSIDE)

IGNORE = (f"re:{OUTSIDE}",)
"""The same as compressed-tensors, llm-compressor and vLLM read it under `ignore`."""


def is_outside_text(module_name: str) -> bool:
    """Whether a module, or a weight, is no part of the model that reads and writes text.

    Parameters
    ----------
    module_name : str
        Dotted, as in the files or as in the loaded model.
    """
    return _OUTSIDE.match(module_name) is not None
