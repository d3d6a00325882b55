"""Korean: particles by the last sound of their noun, auxiliaries and bound nouns in place."""

import re

from babelmini.damage.edits import (
    END,
    Edit,
    drop,
    edit,
    endings,
    swap_next,
    swap_previous,
)
from babelmini.damage.letters import LetterSwap
from babelmini.damage.rules import LanguageRules

_OPEN = "".join(chr(code) for code in range(0xAC00, 0xD7A4, 28))
"""Syllables that end in a vowel."""


_LAST = r"(?=[^ .,?]+[.?])"
"""Before the last word, the verb."""


def _wrong_form(*, after_vowel: str, after_consonant: str) -> tuple[Edit, Edit]:
    """The form of a particle that its noun's last sound does not take, both ways."""
    return (
        Edit(re.compile(rf"(?<=[{_OPEN}]){after_vowel}{END}"), after_consonant),
        Edit(re.compile(rf"(?<=[가-힣])(?<![{_OPEN}]){after_consonant}{END}"), after_vowel),
    )


RULES = LanguageRules(
    swap=(
        swap_previous("때문에 때 수 것은 것이다 것이 전에 후에 때는 동안 뒤에 위에 옆에 근처에서"),
        swap_previous("사이에서"),
        swap_previous("않았다 않는다 못한다 있다 있었다 주었다 한다 했다 시작했다 둔다 하지 않고"),
        swap_previous("말고 두신다"),
        swap_next("우리 내 제 큰 작은 새 한 두 세 몇 그 이 온 늙은 다른 높은"),
        swap_next("더 가장 아주", follower="[^ .,?]+[은린한운]"),
        edit(
            rf"(?<= )([^ .,?]*(?:[린한운던큰]|[많작넓높좋깊같]은)) ([^ .,?]+[이가을를에]) {_LAST}",
            r"\2 \1 ",
        ),
    ),
    drop=(
        endings("에서→ 에게→ 땅으로→땅 안으로→안 밖으로→밖 손으로→손 색으로→색 보다→ 와→ 과→"),
        endings("에→ 위로→위 길로→길 사이로→사이 새들로→새들 차에서는→차는"),
        drop("때문에 수 때 전에 후에 대신 위에 옆에 뒤에 사이에서 앞에서 것"),
    ),
    agreement=(
        *_wrong_form(after_vowel="는", after_consonant="은"),
        *_wrong_form(after_vowel="를", after_consonant="을"),
        *_wrong_form(after_vowel="가", after_consonant="이"),
        *_wrong_form(after_vowel="와", after_consonant="과"),
    ),
    characters=(LetterSwap(shortest=3, first=0),),
    acceptable=(
        "채소 달걀",
        "전 울타리",
        "검은 늙은",
        "감기 걸",
        "어부가 늙은",
        "어디 물이",
        "둘레에 그",
        "골짜기 이",
        "가족이 온",
        "한가운데 작은",
        "달라고 더",
        "낡는",
        "늙는",
        "누이 ",
        "금지",
        "수호에",
        "생동",
        "예전",
        "커피를 가져",
        "기 전 ",
        "어젯밤 ",
        "옛날 ",
        "오후 ",
        "우리 빵",
        "우리 거대",
        "방에 작은",
        "논 벼",
        "결혼할 이",
        "시간째 한",
        "항구 가려",
    ),
)
