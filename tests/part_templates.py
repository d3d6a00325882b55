"""Chat templates that read what is said as parts: excerpts with the logic of published ones.

Left out are tools, dates and long default prompts. `SHOWN` have a form in which they show the
user's text; what each writes for one question was worked out by hand from the template's text.
"""

LLAMA_4 = """{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- if messages[0]['content'] is string %}
        {%- set system_message = messages[0]['content']|trim %}
    {%- else %}
        {%- set system_message = messages[0]['content'][0]['text']|trim %}
    {%- endif %}
    {%- set messages = messages[1:] %}
    {{- '<|header_start|>system<|header_end|>\n\n' + system_message + '<|eot|>' }}
{%- endif %}
{%- for message in messages %}
    {{- '<|header_start|>' + message['role'] + '<|header_end|>\n\n' }}
    {%- if message['content'] is string %}
        {{- message['content'] }}
    {%- else %}
        {%- for content in message['content'] %}
            {%- if content['type'] == 'image' %}
                {{- '<|image|>' }}
            {%- elif content['type'] == 'text' %}
                {{- content['text'] | trim }}
            {%- endif %}
        {%- endfor %}
    {%- endif %}
    {{- '<|eot|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|header_start|>assistant<|header_end|>\n\n' }}
{%- endif %}
"""

MISTRAL_3 = """{%- if messages[0]["role"] == "system" %}
    {%- if messages[0]["content"] is string %}
        {%- set system_message = messages[0]["content"] %}
    {%- else %}
        {%- set system_message = messages[0]["content"][0]["text"] %}
    {%- endif %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set system_message = "You are Mistral." %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- bos_token + '[SYSTEM_PROMPT]' + system_message + '[/SYSTEM_PROMPT]' }}
{%- for message in loop_messages %}
    {%- if message['role'] == 'user' %}
        {%- if message['content'] is string %}
            {{- '[INST]' + message['content'] + '[/INST]' }}
        {%- else %}
            {{- '[INST]' }}
            {%- for block in message['content'] %}
                {%- if block['type'] == 'text' %}
                    {{- block['text'] }}
                {%- elif block['type'] in ['image', 'image_url'] %}
                    {{- '[IMG]' }}
                {%- else %}
                    {{- raise_exception('Only text and image blocks are supported!') }}
                {%- endif %}
            {%- endfor %}
            {{- '[/INST]' }}
        {%- endif %}
    {%- elif message['role'] == 'assistant' %}
        {%- if message['content'] is string %}
            {{- message['content'] + eos_token }}
        {%- else %}
            {{- message['content'][0]['text'] + eos_token }}
        {%- endif %}
    {%- else %}
        {{- raise_exception('Only user, system and assistant roles are supported!') }}
    {%- endif %}
{%- endfor %}
"""

GEMMA_3 = """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\n\n' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'image' -%}
                {{ '<start_of_image>' }}
            {%- elif item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("Invalid content type") }}
    {%- endif -%}
    {{ '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model\n'}}
{%- endif -%}
"""

QWEN_2_VL = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n"
    "{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content %}<|image_pad|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

AYA_VISION = """{{ bos_token }}
{%- for message in messages -%}
    <|START_OF_TURN_TOKEN|>
    {%- if message['role'] == 'user' -%}<|USER_TOKEN|>
    {%- elif message['role'] == 'assistant' -%}<|CHATBOT_TOKEN|><|START_RESPONSE|>
    {%- else -%}<|SYSTEM_TOKEN|>
    {%- endif -%}
    {%- for item in message.content | selectattr('type', 'equalto', 'image') -%}
        <image>
    {%- endfor -%}
    {%- for item in message.content | selectattr('type', 'equalto', 'text') -%}
        {{ item.text }}
    {%- endfor -%}
    {%- if message['role'] == 'assistant' -%}<|END_RESPONSE|>{%- endif -%}
    <|END_OF_TURN_TOKEN|>
{%- endfor -%}
{%- if add_generation_prompt -%}<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|><|START_RESPONSE|>
{%- endif %}"""
"""A text in place of parts is gone through letter by letter, and none is of the type 'text'."""

SMOL_VLM = (
    "{% for message in messages %}{{ message['role'] | capitalize }}"
    "{% if message['content'][0]['type'] == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{ line['text'] }}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}"
    "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
"""A text in place of parts is dropped without a word."""

PARTS_FROM_USERS = (
    "{% for m in messages %}<{{ m.role }}>{% if m.role == 'user' %}{% for part in m.content %}"
    "{{ part.text }}{% endfor %}{% else %}{{ m.content | trim }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
"""As templates of LLaVA's kind: answers are texts, questions are parts."""

SHOWN = {
    "Llama 4": (
        LLAMA_4,
        (
            "<s><|header_start|>user<|header_end|>\n\nHei!<|eot|><|header_start|>assistant"
            "<|header_end|>\n\n"
        ),
    ),
    "Mistral 3": (MISTRAL_3, "<s>[SYSTEM_PROMPT]You are Mistral.[/SYSTEM_PROMPT][INST]Hei![/INST]"),
    "Gemma 3": (
        GEMMA_3,
        "<s><start_of_turn>user\nHei!<end_of_turn>\n<start_of_turn>model\n",
    ),
    "Qwen 2 VL": (
        QWEN_2_VL,
        (
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nHei!"
            "<|im_end|>\n<|im_start|>assistant\n"
        ),
    ),
    "Aya Vision": (
        AYA_VISION,
        (
            "<s><|START_OF_TURN_TOKEN|><|USER_TOKEN|>Hei!<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|>"
            "<|CHATBOT_TOKEN|><|START_RESPONSE|>"
        ),
    ),
    "SmolVLM": (SMOL_VLM, "User: Hei!<end_of_utterance>\nAssistant:"),
    "parts from users": (PARTS_FROM_USERS, "<user>Hei!<assistant>"),
}

HIDES = "{% for m in messages %}<{{ m.role }}>{{ m.contents }}{% endfor %}<assistant>"
REPEATS = "{% for m in messages %}{{ m.content }} {{ m.content }}{% endfor %}"
REFUSES = "{{ raise_exception('tools only') }}"
HIDDEN = {
    "hides": (HIDES, "leaves out what the user says, as text and as parts"),
    "repeats": (REPEATS, "writes what the user says more than once"),
    "refuses": (REFUSES, "refuses a question, as text and as parts: tools only"),
}
