"""Chat templates that know tools, in the ways of three families of models, for the tiny tokenizer's marks."""

_ASK = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"

HERMES = (
    "{% if tools %}<|im_start|>system\n{% for t in tools %}{{ t | tojson }}\n{% endfor %}<|im_end|>\n{% endif %}"
    "{% for m in messages %}"
    "{% if m.role == 'tool' %}<|im_start|>user\n<tool_response>\n{{ m.content }}\n</tool_response><|im_end|>\n"
    "{% elif m.tool_calls %}<|im_start|>assistant{% if m.content %}\n{{ m.content }}{% endif %}"
    "{% for c in m.tool_calls %}\n<tool_call>\n"
    '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}\n</tool_call>{% endfor %}'
    "<|im_end|>\n"
    "{% else %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}" + _ASK
)
"""As Qwen and Hermes."""

LLAMA = (
    "{% for m in messages %}"
    "{% if m.tool_calls %}{% if m.tool_calls | length != 1 %}{{ raise_exception('single tool calls only') }}{% endif %}"
    "{% set c = m.tool_calls[0].function %}<|im_start|>assistant\n"
    '{"name": "{{ c.name }}", "parameters": {{ c.arguments | tojson }}}<|im_end|>\n'
    "{% elif m.role == 'tool' %}<|im_start|>ipython\n{{ m.content | tojson }}<|im_end|>\n"
    "{% else %}<|im_start|>{{ m.role }}\n"
    "{% if loop.first and tools %}{{ tools | tojson }}\n{% endif %}{{ m.content | trim }}<|im_end|>\n{% endif %}"
    "{% endfor %}" + _ASK
)
"""As Llama 3: one call a turn, results as JSON, contents stripped."""

MISTRAL = (
    "{% set ns = namespace(turn=0) %}{% for m in messages %}"
    "{% if m.role == 'user' or (m.role == 'assistant' and m.tool_calls is not defined) %}"
    "{% if (m.role == 'user') != (ns.turn % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% set ns.turn = ns.turn + 1 %}{% endif %}{% endfor %}"
    "{% for m in messages %}"
    "{% if m.role == 'user' %}<|im_start|>{% if tools %}{{ tools | tojson }}{% endif %}[INST]{{ m.content }}[/INST]"
    "{% elif m.tool_calls is defined %}[TOOL_CALLS][{% for c in m.tool_calls %}"
    '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}, "id": "{{ c.id }}"}'
    "{% if c.id | length != 9 %}{{ raise_exception('ids have length 9') }}{% endif %}"
    "{% if not loop.last %}, {% endif %}{% endfor %}]<|im_end|>"
    "{% elif m.role == 'tool' %}[TOOL_RESULTS]{{ m.content }}[/TOOL_RESULTS]"
    "{% else %}{{ m.content }}<|im_end|>{% endif %}{% endfor %}"
)
"""As Mistral: users and assistants alternate, ids have nine signs."""

TEMPLATES = {"hermes": HERMES, "llama": LLAMA, "mistral": MISTRAL}
"""The templates by family."""

WRITTEN = {
    "hermes": '<tool_call>\n{"name": "go", "arguments": {"room": "hall"}}\n</tool_call>',
    "llama": '{"name": "go", "parameters": {"room": "hall"}}',
    "mistral": '[TOOL_CALLS][{"name": "go", "arguments": {"room": "hall"}}]',
}
"""A call of ``go(room="hall")`` as a model of each family writes it."""
