"""What is written, what of it is learned, and that what is served is where training begins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.models.chat import Chat, Nothing, Rendered, Unstable, chat_of, conversation
from tailorlm.models.tokens import tokens_from, tokens_of
from templates import STYLES, make_tokenizer, save_tokenizer

ANSWERS = [
    "four",
    "It is the old house near the river.",
    "two\n\nlines",
    "\nit begins with a line end",
    "\n\n",
    "日本語の答え",
    "🙂👩‍👩‍👧 yes",
    '{"name": "Ada", "age": 36}',
    "the end <|endoftext|> of it </s> <|im_end|>",
    "a" * 300,
]
SYSTEM = {"role": "system", "content": "You answer in short."}


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, Any]:
    made = {name: make_tokenizer(style) for name, style in STYLES.items()}
    assert len(made) == 9
    return made


def chat_for(tokenizers: dict[str, Any], name: str, template: str = "auto") -> Chat:
    return Chat(tokens_from(tokenizers[name]), template)


def turns(name: str, *texts: str, system: bool = True) -> list[dict[str, str]]:
    said = [{"role": "assistant" if i % 2 else "user", "content": text} for i, text in enumerate(texts)]
    return [SYSTEM, *said] if system and STYLES[name].system else said


def learned_text(chat: Chat, rendered: Rendered) -> list[str]:
    return [text for text, learned in chat.shown(rendered) if learned]


@pytest.mark.parametrize("name", STYLES)
@pytest.mark.parametrize("answer", ANSWERS)
def test_learned_is_the_answer_and_its_stop_and_served_is_where_it_begins(
    name: str, answer: str, tokenizers: Any
) -> None:
    chat = chat_for(tokenizers, name)
    messages = turns(name, "what is the sum of two and two?", answer)
    if not answer.strip():
        with pytest.raises(Nothing):
            chat.render(messages)
        return
    rendered = chat.render(messages)
    said = answer.strip() if "trim" in STYLES[name].template else answer
    assert learned_text(chat, rendered) == [said + STYLES[name].stop]
    served = chat.prompt(messages[:-1])
    assert rendered.ids[: len(served.ids)] == served.ids
    assert len(served.ids) < len(rendered.ids)
    assert rendered.learned == [False] * len(served.ids) + [True] * (len(rendered.ids) - len(served.ids))
    assert served.targets == 0
    assert chat.answer(served.ids, rendered.ids[len(served.ids) :]).strip() in (
        said.strip(),
        _without_special(chat, said).strip(),
    )
    assert rendered.ids[-1] in chat.stop_ids


def _without_special(chat: Chat, text: str) -> str:
    return chat.tokens.decode(chat.tokens.encode("a" + text))[1:]


@pytest.mark.parametrize("name", STYLES)
def test_served_ids_are_those_of_transformers(name: str, tokenizers: Any) -> None:
    tokenizer = tokenizers[name]
    chat = chat_for(tokenizers, name)
    # Where a prompt ends in the middle of what would be one token (a blank), a history read in one go has other ids than were served.
    for count in (1,) if name == "pad_is_eos" else (1, 3, 5):
        messages = turns(
            name,
            *["a question about money", "an answer about time", "and the dog?", "it lay by the door", "the cat?"][
                :count
            ],
        )
        theirs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        assert chat.prompt(messages).ids == list(theirs)
        assert chat.tokens.decode(theirs, special=True).count(STYLES[name].bos or "no bos") <= 1


def test_where_the_tokens_of_a_whole_text_would_not_begin_with_its_prompt(tokenizers: Any) -> None:
    """GPT-2's rule tears the last of two line ends off when a word follows: the ids of prompt and answer together are others."""
    chat = chat_for(tokenizers, "no_stop", STYLES["llama3"].template.replace("<|end_header_id|>", ""))
    rendered = chat.render(conversation("one?", "four"))
    served = chat.prompt(conversation("one?")).ids
    joint = chat.tokens.encode("".join(text for text, _ in chat.shown(rendered)))
    assert joint[: len(served)] != served
    assert rendered.ids[: len(served)] == served
    assert learned_text(chat, rendered) == ["four<|endoftext|>"]


@pytest.mark.parametrize("name", STYLES)
def test_several_turns(name: str, tokenizers: Any) -> None:
    chat = chat_for(tokenizers, name)
    messages = turns(name, "one?", "four five", "two?", "six seven", "three?", "eight")
    stop = STYLES[name].stop
    mid = "" if name == "no_stop" else stop
    every = chat.render(messages)
    assert learned_text(chat, every) == ["four five" + mid, "six seven" + mid, "eight" + stop]
    last = chat.render(messages, learn="last")
    assert learned_text(chat, last) == ["eight" + stop]
    assert last.ids == every.ids
    for place in (i for i, m in enumerate(messages) if m["role"] == "assistant"):
        served = chat.prompt(messages[:place]).ids
        assert every.ids[: len(served)] == served
        assert every.learned[len(served)]
        assert not every.learned[len(served) - 1]
    unweighted = [dict(m, weight=0) if m["content"] == "six seven" else m for m in messages]
    assert learned_text(chat, chat.render(unweighted)) == ["four five" + mid, "eight" + stop]
    with pytest.raises(Nothing, match="weight 0"):
        chat.render([dict(m, weight=0) for m in messages])


PIECES = [
    " ", "\n", "\n\n", "\t", "\r\n", "a", " a", "the cat", "日本", "🙂", "é", "<|im_end|>",
    "<|im_start|>", "</s>", "<s>", "[INST]", "<|eot_id|>", "<end_of_turn>", "<|endoftext|>",
    "{{x}}", "{% if %}", "\u200b", "\x00", "12345", "Ġ", "<0x0A>", "user\n", "### assistant:\n",
    "ASSISTANT: ",
]  # fmt: skip


@pytest.mark.parametrize("name", STYLES)
def test_whatever_is_said(name: str, tokenizers: Any) -> None:
    chat, random = chat_for(tokenizers, name), Random(name)

    def said(least: int) -> str:
        return "".join(random.choice(PIECES) for _ in range(random.randint(least, 6)))

    for _ in range(40):
        messages = turns(
            name, *[text for _ in range(random.randint(1, 3)) for text in (said(0), said(1) + "x")], system=False
        )
        rendered = chat.render(messages)
        answers = [m["content"].strip() if "trim" in STYLES[name].template else m["content"] for m in messages[1::2]]
        ends = [STYLES[name].stop if name != "no_stop" or i == len(answers) - 1 else "" for i in range(len(answers))]
        assert learned_text(chat, rendered) == [answer + end for answer, end in zip(answers, ends, strict=True)]
        for turn in range(0, len(messages), 2):
            served = chat.prompt(messages[: turn + 1]).ids
            assert rendered.ids[: len(served)] == served
            assert rendered.learned[len(served)]
            assert not rendered.learned[len(served) - 1]


def test_what_follows_the_last_answer_is_left_out(tokenizers: Any) -> None:
    chat = chat_for(tokenizers, "chatml")
    messages = turns("chatml", "one?", "four")
    assert chat.render([*messages, {"role": "user", "content": "more"}]).ids == chat.render(messages).ids


def test_an_end_of_text_in_the_prompt_is_not_learned(tokenizers: Any) -> None:
    chat = chat_for(tokenizers, "pad_is_eos")
    rendered = chat.render(conversation("what is <|endoftext|> for?", "an end"))
    eos = chat.tokens.one("<|endoftext|>")
    assert [learned for i, learned in zip(rendered.ids, rendered.learned) if i == eos] == [False, True]


@pytest.mark.parametrize("name", STYLES)
@pytest.mark.parametrize("template", ["plain", "raw"])
def test_documented_templates(name: str, template: str, tokenizers: Any) -> None:
    style = STYLES[name]
    chat = chat_for(tokenizers, name, template)
    rendered = chat.render([SYSTEM, *conversation("one?", "four\n")])
    assert learned_text(chat, rendered) == ["four\n" + style.eos]
    text = "".join(t for t, _ in chat.shown(rendered))
    begin = style.bos if style.kind == "metaspace" else ""
    if template == "plain":
        assert text == f"{begin}You answer in short.\n\n### User\none?\n\n### Assistant\nfour\n{style.eos}"
    else:
        assert text == f"{begin}You answer in short.one?four\n{style.eos}"


def test_a_folder_without_a_template_gets_the_plain_one(tmp_path: Path) -> None:
    chat = chat_of(save_tokenizer(STYLES["chatml"], tmp_path / "a", template=False))
    assert not chat.own
    assert "### User" in chat.tokens.decode(chat.prompt(conversation("one?")).ids)
    assert chat_of(save_tokenizer(STYLES["chatml"], tmp_path / "b")).own


@pytest.mark.parametrize("name", STYLES)
def test_a_folder_read_without_transformers_gives_the_same_ids(name: str, tokenizers: Any, tmp_path: Path) -> None:
    tokenizers[name].save_pretrained(tmp_path)
    messages = turns(name, "one?", "four five", "two?", "six 🙂")
    alone, theirs = chat_of(tmp_path), chat_for(tokenizers, name)
    assert alone.render(messages) == theirs.render(messages)
    assert alone.stop_ids == theirs.stop_ids


def test_no_torch_is_loaded(tmp_path: Path) -> None:
    save_tokenizer(STYLES["llama3"], tmp_path)
    code = (
        "import sys; from pathlib import Path; from tailorlm.models.chat import chat_of, conversation\n"
        f"chat = chat_of(Path({str(tmp_path)!r})); chat.render(conversation('a', 'b'))\n"
        "print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_stop_ids_are_those_of_all_files_and_of_the_template(tmp_path: Path) -> None:
    save_tokenizer(STYLES["llama3"], tmp_path)
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [1, 7]}')
    (tmp_path / "config.json").write_text('{"eos_token_id": 9}')
    chat = chat_of(tmp_path)
    named = {chat.tokens.one("<|end_of_text|>"), chat.tokens.one("<|eot_id|>")}
    assert chat.stop_ids == named | {1, 7, 9}
    assert tokens_of(tmp_path).stop == {chat.tokens.one("<|end_of_text|>"), 1, 7, 9}


def test_tools_and_calls(tokenizers: Any) -> None:
    chat = chat_for(tokenizers, "qwen")
    tools = [{"type": "function", "function": {"name": "clock", "parameters": {}}}]
    call = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "function": {"name": "clock", "arguments": {}}}],
    }
    messages = [
        {"role": "user", "content": "what time is it?"},
        call,
        {"role": "tool", "content": "ten"},
        {"role": "assistant", "content": "It is ten."},
    ]
    rendered = chat.render(messages, tools=tools)
    first, second = learned_text(chat, rendered)
    assert first.startswith("<tool_call>\n")
    assert first.endswith("</tool_call><|im_end|>")
    assert second == "It is ten.<|im_end|>"
    assert "clock" in chat.shown(rendered)[0][0]
    assert rendered.ids[: len(served := chat.prompt(messages[:1], tools=tools).ids)] == served


# ---- what cannot be right is refused


REWRITES = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and loop.last %}<think></think>{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def test_a_template_that_rewrites_earlier_turns(tokenizers: Any) -> None:
    chat = chat_for(tokenizers, "chatml", REWRITES)
    messages = turns("chatml", "one?", "four", "two?", "five")
    with pytest.raises(Unstable, match="earlier turns") as caught:
        chat.render(messages)
    assert "learn: last" in str(caught.value)
    rendered = chat.render(messages, learn="last")
    assert learned_text(chat, rendered) == ["five<|im_end|>"]
    assert chat.shown(rendered)[-2][0].endswith("<|im_start|>assistant\n<think></think>"), "as it is served"
    assert rendered.ids[: len(served := chat.prompt(messages[:-1]).ids)] == served


def test_a_template_whose_prompt_is_not_where_the_answer_follows(tokenizers: Any) -> None:
    broken = "{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>bot{% endif %}"
    with pytest.raises(Unstable):
        chat_for(tokenizers, "chatml", broken).render(conversation("a", "b"), learn="last")
    silent = "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}"
    with pytest.raises(TailorError, match="does not write what the assistant says"):
        chat_for(tokenizers, "chatml", silent).render(conversation("a", "b"))


def test_refusals_name_roles_and_no_text(tokenizers: Any) -> None:
    chat = chat_for(tokenizers, "mistral")
    with pytest.raises(TailorError, match="refuses") as caught:
        chat.prompt([{"role": "user", "content": "secretword"}, {"role": "user", "content": "b"}])
    assert "roles must alternate" in str(caught.value)
    assert "secretword" not in str(caught.value)
    tell = "{% for m in messages %}{{ raise_exception('bad: ' + m.content) }}{% endfor %}"
    with pytest.raises(TailorError) as caught:
        chat_for(tokenizers, "mistral", tell).prompt(conversation("secretword"))
    assert "secretword" not in str(caught.value)
    with pytest.raises(TailorError, match="cannot be read"):
        chat_for(tokenizers, "mistral", "{% for %}")
    with pytest.raises(UsageError, match="no chat template 'chatml'"):
        chat_for(tokenizers, "mistral", "chatml")


@pytest.mark.parametrize("name", ["gemma", "mistral"])
def test_a_system_text_that_is_refused_goes_to_the_first_user(name: str, tokenizers: Any) -> None:
    chat = chat_for(tokenizers, name)
    folded = chat.prompt([SYSTEM, *conversation("one?")]).ids
    assert folded == chat.prompt(conversation("You answer in short.\n\none?")).ids


def test_rows_with_nothing_to_learn(tokenizers: Any) -> None:
    chat = chat_for(tokenizers, "chatml")
    for messages, why in (
        ([], "no answer"),
        (conversation("a"), "no answer"),
        (conversation("a", " \n"), "empty"),
        ([{"role": "assistant", "content": "hello"}], "follows nothing"),
        ([SYSTEM, {"role": "assistant", "content": "hello"}], "follows nothing"),
    ):
        with pytest.raises(Nothing, match=why):
            chat.render(messages)


def test_a_greeting_is_context(tokenizers: Any) -> None:
    chat = chat_for(tokenizers, "chatml")
    rendered = chat.render([{"role": "assistant", "content": "hello"}, *conversation("one?", "four")])
    assert learned_text(chat, rendered) == ["four<|im_end|>"]


def test_without_any_end_of_text_training_is_refused(tokenizers: Any) -> None:
    style = STYLES["no_stop"]._replace(eos="", pad="")
    chat = Chat(tokens_from(make_tokenizer(style)))
    assert chat.prompt(conversation("one?")).ids
    with pytest.raises(TailorError, match="never stop"):
        chat.render(conversation("one?", "four"))


# ---- what is cut


def long_turns(count: int, words: int = 20) -> list[dict[str, str]]:
    said = [SYSTEM]
    for i in range(count):
        said += [{"role": "user", "content": f"{i} " + "cat " * words}, {"role": "assistant", "content": f"answer {i}"}]
    return said


@pytest.mark.parametrize("name", ["chatml", "llama3", "no_stop", "zephyr"])
def test_prompts_are_cut_before_answers(name: str, tokenizers: Any) -> None:
    chat = chat_for(tokenizers, name)
    messages = long_turns(4)
    whole = len(chat.render(messages).ids)
    seen = set()
    for limit in range(whole, 35, -7):
        rendered = chat.render(messages, max_length=limit)
        text = "".join(t for t, _ in chat.shown(rendered))
        assert len(rendered.ids) <= limit
        assert rendered.cut == whole - len(rendered.ids) - rendered.answer_cut
        assert "answer 3" in learned_text(chat, rendered)[-1]
        assert learned_text(chat, rendered)[-1].endswith(STYLES[name].stop)
        kept = [i for i in range(4) if f"answer {i}" in text]
        assert kept == list(range(4))[-len(kept) :], "the oldest go first"
        assert rendered.turns_cut == 2 * (4 - len(kept))
        if limit > 60:
            assert "You answer in short." in text
        seen.add(len(kept))
    assert seen == {1, 2, 3, 4}
    assert chat.render(messages, max_length=whole).cut == 0


def test_the_left_of_the_prompt_goes_first(tokenizers: Any) -> None:
    chat = chat_for(tokenizers, "chatml")
    rendered = chat.render([SYSTEM, *conversation(" ".join(f"n{i}" for i in range(200)), "four")], max_length=80)
    text = "".join(t for t, _ in chat.shown(rendered))
    assert 70 <= len(rendered.ids) <= 80
    assert "n199" in text
    assert "n0 " not in text
    assert "You answer in short." in text
    assert rendered.answer_cut == 0 < rendered.cut


def test_an_answer_that_alone_is_too_long_is_cut_last_and_counted(tokenizers: Any) -> None:
    chat = chat_for(tokenizers, "chatml")
    rendered = chat.render([SYSTEM, *conversation("one? " * 20, "日" * 100)], max_length=50)
    assert len(rendered.ids) == 50
    assert rendered.answer_cut > 0
    assert rendered.ids[-1] not in chat.stop_ids
    with pytest.raises(TailorError, match="longer than the model's context"):
        chat.render(conversation("one?", "four"), max_length=5)


def test_prompts_to_be_answered_are_cut_alike(tokenizers: Any) -> None:
    chat = chat_for(tokenizers, "chatml")
    prompt = chat.prompt([*long_turns(3), {"role": "user", "content": "日本 " * 50 + "the last"}], max_length=64)
    assert len(prompt.ids) <= 64
    assert prompt.turns_cut == 6
    text = chat.tokens.decode(prompt.ids, special=True)
    assert "the last<|im_end|>\n<|im_start|>assistant\n" in text
    assert "\ufffd" not in text
    with pytest.raises(TailorError, match="longer than the model's context"):
        chat.prompt(conversation("one?"), max_length=4)


# A family that thinks writes an empty thought before the last answer where it is not to think.
THINKS = REWRITES.replace("<think></think>", "<think>\n\n</think>\n\n")


def test_words_that_a_template_puts_before_an_answer_are_of_the_prompt(tokenizers: Any) -> None:
    chat = chat_for(tokenizers, "chatml", THINKS)
    messages = conversation("one?", "four")
    rendered, served = chat.render(messages), chat.prompt(messages[:-1])
    assert learned_text(chat, rendered) == ["four<|im_end|>"]
    assert rendered.ids[: len(served.ids)] == served.ids
    assert chat.tokens.decode(served.ids, special=True).endswith("assistant\n<think>\n\n</think>\n\n")
    wanted = chat.candidate(served.ids, "four")
    assert wanted == rendered.ids[len(served.ids) :]
    assert chat.answer(served.ids, wanted) == "four"
    turns_of = [*messages, {"role": "user", "content": "two?"}, {"role": "assistant", "content": "six"}]
    assert learned_text(chat, chat.render(turns_of, learn="last")) == ["six<|im_end|>"]
    assert (
        chat.prompt(turns_of[:-1]).ids == chat.render(turns_of, learn="last").ids[: len(chat.prompt(turns_of[:-1]).ids)]
    )


def test_a_blank_before_every_answer_is_no_part_of_it(tokenizers: Any) -> None:
    blank = "{% for m in messages %}{% if m.role == 'user' %}Q: {{ m.content }} A:{% else %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
    chat = chat_for(tokenizers, "chatml", blank)
    served = chat.prompt(conversation("one?")).ids
    assert chat.answer(served, chat.candidate(served, "four")) == "four"
    assert chat.render(conversation("one?", "four")).ids[len(served) :] == chat.candidate(served, "four")
